using System.Reflection;
using System.Reflection.Metadata;

namespace Policyd.Engine.Loading;

/// <summary>
/// Looks for each type and member that an assembly uses in the assemblies that it would get. The runtime looks only when a method runs for
/// the first time, which is with the first mail.
/// </summary>
/// <param name="own">The assemblies of the plugin's set, by name.</param>
internal sealed class ReferenceCheck(IReadOnlyDictionary<string, AssemblyFile> own)
{
    private static readonly HashSet<string> s_roots = ["System.Object", "System.ValueType", "System.Enum"];

    private static readonly HashSet<string> s_ofObject =
        [.. typeof(object).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Select(static one => one.Name)];

    private readonly Dictionary<string, KnownTypes> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>What an assembly uses and would not find, in words for its author.</summary>
    public IEnumerable<string> Missing(AssemblyFile file)
    {
        var reader = file.Metadata;
        var missing = new HashSet<string>(StringComparer.Ordinal);
        foreach (var handle in reader.TypeReferences)
        {
            if (Find(reader, handle) is (null, { } assembly))
            {
                missing.Add(Text("the type " + SignatureText.NameOf(reader, handle), assembly, reader, handle));
            }
        }

        foreach (var member in reader.MemberReferences.Select(reader.GetMemberReference))
        {
            // What is missing of a type that is missing is said already.
            if (SignatureText.TypeOf(reader, member.Parent) is (var type, { } parent)
                && Find(reader, parent) is ({ } types, _)
                && !IsThere(types, type, reader.GetString(member.Name) + SignatureText.Of(member)))
            {
                missing.Add(Text($"{type}.{reader.GetString(member.Name)}{SignatureText.Of(member)}", types, reader, parent));
            }
        }

        return missing;
    }

    private static string Text(string what, KnownTypes there, MetadataReader reader, TypeReferenceHandle used)
    {
        var (name, version) = (there.Name.Name!, SharedAssemblies.Text(there.Name.Version));
        var built = SharedAssemblies.Text(Scope(reader, used) is { } scope ? scope.Version : null);
        return SharedAssemblies.IsContract(name)
            ? $"uses {what}, which {name} {version} of this server does not have; it was built for {name} {built}: rebuild it for {version}"
            : $"uses {what}, which {name} {version} in its folder does not have; it was built for {name} {built}: put that one there";
    }

    private bool IsThere(KnownTypes types, string type, string member)
    {
        if (types.HasMember(type, member))
        {
            return true;
        }

        if (SignatureText.TypeOf(types.Reader, types.BaseOf(type)) is not var (baseType, used))
        {
            return false;
        }

        // A base of .NET's own, or one with type arguments in its members' signatures, is not looked into.
        return types.BaseOf(type).Kind == HandleKind.TypeSpecification
            || (used is not { } reference
                ? IsThere(types, baseType, member)
                : Find(types.Reader, reference) switch
                {
                    ({ } next, _) => IsThere(next, baseType, member),
                    _ => !s_roots.Contains(baseType) || s_ofObject.Contains(member.Split('(', '`', ' ')[0]),
                });
    }

    /// <summary>
    /// The assembly that has the type. Else the one that should have it; neither where that is .NET's or is not there, which is told
    /// elsewhere.
    /// </summary>
    private (KnownTypes? Has, KnownTypes? ShouldHave) Find(MetadataReader reader, TypeReferenceHandle handle)
    {
        var type = SignatureText.NameOf(reader, handle);
        var types = Scope(reader, handle) is { } scope ? TypesOf(scope) : null;
        for (var moves = 0; types?.MovedTo(type) is { } next && moves < 8; moves++)
        {
            types = TypesOf(next);
        }

        return types is null ? default : types.Has(type) ? (types, null) : (null, types);
    }

    private KnownTypes? TypesOf(AssemblyName assembly)
    {
        var name = assembly.Name!;
        if (_known.TryGetValue(name, out var known))
        {
            return known;
        }

        if (own.TryGetValue(name, out var file))
        {
            return _known[name] = new KnownTypes(file.Name, file.Metadata, onlyVisible: false);
        }

        if (!SharedAssemblies.IsContract(name))
        {
            return null;
        }

        // Of the one that runs: an upgrade may have replaced its file.
        var shared = SharedAssemblies.Load(name);
        unsafe
        {
            return shared.TryGetRawMetadata(out var blob, out var length)
                ? _known[name] = new KnownTypes(shared.GetName(), new MetadataReader(blob, length), onlyVisible: true)
                : null;
        }
    }

    private static AssemblyName? Scope(MetadataReader reader, TypeReferenceHandle handle)
    {
        var scope = reader.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.AssemblyReference => reader.GetAssemblyReference((AssemblyReferenceHandle)scope).GetAssemblyName(),
            HandleKind.TypeReference => Scope(reader, (TypeReferenceHandle)scope),
            _ => null,
        };
    }
}
