using System.Reflection;
using System.Reflection.Metadata;

namespace Policyd.Engine.Loading;

/// <summary>The types of an assembly and their members, as another assembly may use them.</summary>
/// <param name="name">The assembly's name and version.</param>
/// <param name="reader">Its metadata.</param>
/// <param name="onlyVisible">Whether what is not visible outside counts as not there: it may not be called.</param>
internal sealed class KnownTypes(AssemblyName name, MetadataReader reader, bool onlyVisible)
{
    private readonly Dictionary<string, TypeDefinitionHandle> _types = reader.TypeDefinitions
        .ToDictionary(handle => SignatureText.NameOf(reader, handle), StringComparer.Ordinal);

    private readonly Dictionary<string, AssemblyName> _forwarded = reader.ExportedTypes.Select(reader.GetExportedType)
        .Where(static type => type.IsForwarder && type.Implementation.Kind == HandleKind.AssemblyReference)
        .ToDictionary(
            type => SignatureText.Full(reader, type.Namespace, type.Name),
            type => reader.GetAssemblyReference((AssemblyReferenceHandle)type.Implementation).GetAssemblyName(),
            StringComparer.Ordinal);

    private readonly Dictionary<string, HashSet<string>> _members = new(StringComparer.Ordinal);

    public AssemblyName Name => name;

    public MetadataReader Reader => reader;

    /// <summary>The assembly that a type has moved to; null when it has not.</summary>
    public AssemblyName? MovedTo(string type) => _forwarded.GetValueOrDefault(type.Split('+')[0]);

    public bool Has(string type) => _types.TryGetValue(type, out var handle) && IsVisible(reader.GetTypeDefinition(handle));

    /// <summary>Whether the type itself, not one of its bases, has the member.</summary>
    /// <param name="type">A type of this assembly.</param>
    /// <param name="member">Name and signature.</param>
    public bool HasMember(string type, string member)
    {
        if (!_members.TryGetValue(type, out var members))
        {
            _members.Add(type, members = [.. MembersOf(reader.GetTypeDefinition(_types[type]))]);
        }

        return members.Contains(member);
    }

    /// <summary>The base of a type.</summary>
    public EntityHandle BaseOf(string type) => reader.GetTypeDefinition(_types[type]).BaseType;

    private IEnumerable<string> MembersOf(TypeDefinition type)
    {
        var methods = type.GetMethods().Select(reader.GetMethodDefinition)
            .Where(method => IsVisible((int)(method.Attributes & MethodAttributes.MemberAccessMask)))
            .Select(method => reader.GetString(method.Name) + SignatureText.Of(method));
        var fields = type.GetFields().Select(reader.GetFieldDefinition)
            .Where(field => IsVisible((int)(field.Attributes & FieldAttributes.FieldAccessMask)))
            .Select(field => reader.GetString(field.Name) + SignatureText.Of(field));
        return methods.Concat(fields);
    }

    // Of methods and fields the numbers are the same.
    private bool IsVisible(int access) => !onlyVisible
        || (MethodAttributes)access is MethodAttributes.Public or MethodAttributes.Family or MethodAttributes.FamORAssem;

    private bool IsVisible(TypeDefinition type) => !onlyVisible
        || (type.Attributes & TypeAttributes.VisibilityMask) switch
        {
            TypeAttributes.Public => true,
            TypeAttributes.NestedPublic or TypeAttributes.NestedFamily or TypeAttributes.NestedFamORAssem =>
                IsVisible(reader.GetTypeDefinition(type.GetDeclaringType())),
            _ => false,
        };
}
