using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace Policyd.Tests.Architecture;

/// <summary>Who uses whom, read from the compiled assemblies: what a signature, a field, a body or an attribute names is used.</summary>
internal sealed class Dependencies
{
    private const string Own = "Policyd.";
    private readonly Dictionary<(string From, string To), SortedSet<string>> _uses = [];

    /// <summary>Reads the assemblies.</summary>
    /// <param name="files">The assemblies' files.</param>
    public Dependencies(IEnumerable<string> files)
    {
        foreach (var file in files)
        {
            using var module = ModuleDefinition.ReadModule(file);
            foreach (var type in module.GetAllTypes())
            {
                Read(type);
            }
        }
    }

    /// <summary>The namespaces, each with those that it uses.</summary>
    public ILookup<string, string> ByNamespace => _uses.Keys.ToLookup(static use => use.From, static use => use.To);

    /// <summary>What of one namespace uses another, and what of that: for a message.</summary>
    public string Example(string from, string to) => string.Join(", ", _uses[(from, to)].Take(4));

    /// <summary>The project of a namespace.</summary>
    public static string ProjectOf(string name) => string.Join('.', name.Split('.').Take(2));

    private static string NamespaceOf(TypeReference type)
    {
        while (type.DeclaringType is not null)
        {
            type = type.DeclaringType;
        }

        return type.Namespace;
    }

    private void Read(TypeDefinition type)
    {
        var from = NamespaceOf(type);
        if (!from.StartsWith(Own, StringComparison.Ordinal))
        {
            return;
        }

        foreach (var used in UsedBy(type).SelectMany(Parts))
        {
            var to = NamespaceOf(used);
            if (to != from && to.StartsWith(Own, StringComparison.Ordinal))
            {
                if (!_uses.TryGetValue((from, to), out var examples))
                {
                    _uses.Add((from, to), examples = new SortedSet<string>(StringComparer.Ordinal));
                }

                examples.Add($"{NameOf(type)} uses {NameOf(used)}");
            }
        }
    }

    private static string NameOf(TypeReference type)
    {
        while (type.DeclaringType is not null)
        {
            type = type.DeclaringType;
        }

        return type.Name;
    }

    private static IEnumerable<TypeReference> UsedBy(TypeDefinition type)
    {
        IEnumerable<TypeReference?> used =
        [
            type.BaseType,
            .. type.Interfaces.Select(static one => one.InterfaceType),
            .. type.Fields.Select(static one => one.FieldType),
            .. type.Properties.Select(static one => one.PropertyType),
            .. type.Events.Select(static one => one.EventType),
            .. type.GenericParameters.SelectMany(static one => one.Constraints).Select(static one => one.ConstraintType),
            .. type.Methods.SelectMany(UsedBy),
            .. new ICustomAttributeProvider[] { type }.Concat(type.Fields).Concat(type.Properties).Concat(type.Methods)
                .SelectMany(static one => one.CustomAttributes).Select(static one => one.AttributeType),
        ];
        return used.OfType<TypeReference>();
    }

    private static IEnumerable<TypeReference> UsedBy(MethodDefinition method)
    {
        IEnumerable<TypeReference> signature =
        [
            method.ReturnType,
            .. method.Parameters.Select(static one => one.ParameterType),
            .. method.GenericParameters.SelectMany(static one => one.Constraints).Select(static one => one.ConstraintType),
        ];
        return method.HasBody
            ? signature.Concat(method.Body.Variables.Select(static one => one.VariableType))
                .Concat(method.Body.ExceptionHandlers.Select(static one => one.CatchType).OfType<TypeReference>())
                .Concat(method.Body.Instructions.SelectMany(UsedBy))
            : signature;
    }

    private static IEnumerable<TypeReference> UsedBy(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => [type],
        FieldReference field => [field.DeclaringType, field.FieldType],
        GenericInstanceMethod method => [
            method.DeclaringType, method.ReturnType, .. method.GenericArguments,
            .. method.Parameters.Select(static one => one.ParameterType)
        ],
        MethodReference method => [method.DeclaringType, method.ReturnType, .. method.Parameters.Select(static one => one.ParameterType)],
        CallSite site => [site.ReturnType, .. site.Parameters.Select(static one => one.ParameterType)],
        _ => [],
    };

    /// <summary>
    /// A type and what stands in it: the elements of an array, the arguments of a generic type, the signature of a pointer to a function.
    /// </summary>
    private static IEnumerable<TypeReference> Parts(TypeReference type) => type switch
    {
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Parts).Append(generic.ElementType),
        FunctionPointerType function =>
            function.Parameters.Select(static one => one.ParameterType).Append(function.ReturnType).SelectMany(Parts),
        TypeSpecification specification => Parts(specification.ElementType),
        GenericParameter => [],
        _ => [type],
    };
}
