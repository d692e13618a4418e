using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace Policyd.Engine.Loading;

/// <summary>
/// Signatures as texts that are the same in the assembly that has a member and in one that uses it: types without their assemblies, since a
/// type may have moved, and type parameters by their places.
/// </summary>
internal sealed class SignatureText : ISignatureTypeProvider<string, object?>
{
    private static readonly SignatureText s_provider = new();

    public static string Of(MethodSignature<string> signature) =>
        (signature.GenericParameterCount > 0 ? $"`{signature.GenericParameterCount}" : "")
            + $"({string.Join(", ", signature.ParameterTypes)}) : {signature.ReturnType}";

    /// <summary>The signature of a use.</summary>
    public static string Of(MemberReference member) => member.GetKind() == MemberReferenceKind.Field
        ? " : " + member.DecodeFieldSignature(s_provider, null)
        : Of(member.DecodeMethodSignature(s_provider, null));

    public static string Of(MethodDefinition method) => Of(method.DecodeSignature(s_provider, null));

    public static string Of(FieldDefinition field) => " : " + field.DecodeSignature(s_provider, null);

    /// <summary>The type of a use, or of a base; null for an array and its like, which have no assembly.</summary>
    public static (string Name, TypeReferenceHandle? Used)? TypeOf(MetadataReader reader, EntityHandle handle)
    {
        switch (handle.Kind)
        {
            case HandleKind.TypeReference:
                return (NameOf(reader, (TypeReferenceHandle)handle), (TypeReferenceHandle)handle);
            case HandleKind.TypeDefinition:
                return (NameOf(reader, (TypeDefinitionHandle)handle), null);
            case HandleKind.TypeSpecification:
                var blob = reader.GetBlobReader(reader.GetTypeSpecification((TypeSpecificationHandle)handle).Signature);
                return blob.ReadSignatureTypeCode() == SignatureTypeCode.GenericTypeInstance && blob.ReadByte() != 0
                    ? TypeOf(reader, blob.ReadTypeHandle())
                    : null;
            default:
                return null;
        }
    }

    public static string NameOf(MetadataReader reader, TypeDefinitionHandle handle)
    {
        var type = reader.GetTypeDefinition(handle);
        var name = Full(reader, type.Namespace, type.Name);
        return type.GetDeclaringType() is { IsNil: false } outer ? $"{NameOf(reader, outer)}+{name}" : name;
    }

    public static string NameOf(MetadataReader reader, TypeReferenceHandle handle)
    {
        var type = reader.GetTypeReference(handle);
        var name = Full(reader, type.Namespace, type.Name);
        return type.ResolutionScope.Kind == HandleKind.TypeReference
            ? $"{NameOf(reader, (TypeReferenceHandle)type.ResolutionScope)}+{name}"
            : name;
    }

    public static string Full(MetadataReader reader, StringHandle space, StringHandle name) =>
        space.IsNil ? reader.GetString(name) : $"{reader.GetString(space)}.{reader.GetString(name)}";

    string ISimpleTypeProvider<string>.GetPrimitiveType(PrimitiveTypeCode typeCode) => "System." + typeCode;

    string ISimpleTypeProvider<string>.GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
        NameOf(reader, handle);

    string ISimpleTypeProvider<string>.GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) =>
        NameOf(reader, handle);

    string ISZArrayTypeProvider<string>.GetSZArrayType(string elementType) => elementType + "[]";

    string IConstructedTypeProvider<string>.GetArrayType(string elementType, ArrayShape shape) =>
        $"{elementType}[{new string(',', shape.Rank - 1)}]";

    string IConstructedTypeProvider<string>.GetByReferenceType(string elementType) => elementType + "&";

    string IConstructedTypeProvider<string>.GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) =>
        $"{genericType}<{string.Join(", ", typeArguments)}>";

    string IConstructedTypeProvider<string>.GetPointerType(string elementType) => elementType + "*";

    string ISignatureTypeProvider<string, object?>.GetFunctionPointerType(MethodSignature<string> signature) => "fn" + Of(signature);

    string ISignatureTypeProvider<string, object?>.GetGenericMethodParameter(object? genericContext, int index) => $"!!{index}";

    string ISignatureTypeProvider<string, object?>.GetGenericTypeParameter(object? genericContext, int index) => $"!{index}";

    string ISignatureTypeProvider<string, object?>.GetModifiedType(string modifier, string unmodifiedType, bool isRequired) =>
        isRequired ? $"{unmodifiedType} modreq {modifier}" : unmodifiedType;

    string ISignatureTypeProvider<string, object?>.GetPinnedType(string elementType) => elementType;

    string ISignatureTypeProvider<string, object?>.GetTypeFromSpecification(
        MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);
}
