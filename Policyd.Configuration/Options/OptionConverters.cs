using System.Collections.Concurrent;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

// Which converter a type has. Made once a type: reflection is what start-up time goes into.
internal static class OptionConverters
{
    private static readonly ConcurrentDictionary<Type, OptionConverter?> s_known = new();

    /// <summary>The converter of a type; null when it is no type of option.</summary>
    public static OptionConverter? For(Type type) =>
        s_known.TryGetValue(type, out var known) ? known : s_known.GetOrAdd(type, Make(type));

    private static OptionConverter? Make(Type type) =>
        Nullable.GetUnderlyingType(type) is { } inner ? For(inner)
        : ScalarConverters.For(type) ?? Node(type) ?? List(type) ?? Dictionary(type) ?? Nested(type);

    private static OptionConverter? Node(Type type) =>
        type == typeof(ConfigObject) ? new NodeConverter<ConfigObject>("an object")
        : type == typeof(ConfigArray) ? new NodeConverter<ConfigArray>("an array")
        : type == typeof(ConfigScalar) ? new NodeConverter<ConfigScalar>("a single value")
        : type == typeof(ConfigNode) ? new NodeConverter<ConfigNode>("a value")
        : null;

    private static OptionConverter? List(Type type)
    {
        if (type.IsArray)
        {
            return MakeList(nameof(ArrayOf), type.GetElementType()!);
        }

        if (!type.IsGenericType || type.GenericTypeArguments.Length != 1)
        {
            return null;
        }

        var definition = type.GetGenericTypeDefinition();
        var element = type.GenericTypeArguments[0];
        if (definition == typeof(List<>) || definition == typeof(IList<>) || definition == typeof(IReadOnlyList<>)
            || definition == typeof(IReadOnlyCollection<>) || definition == typeof(IEnumerable<>))
        {
            return MakeList(nameof(ListOf), element);
        }

        return definition == typeof(HashSet<>) || definition == typeof(ISet<>) || definition == typeof(IReadOnlySet<>)
            ? MakeList(nameof(SetOf), element)
            : null;
    }

    private static OptionConverter? Dictionary(Type type)
    {
        if (!type.IsGenericType || type.GenericTypeArguments is not [var key, var element] || key != typeof(string))
        {
            return null;
        }

        var definition = type.GetGenericTypeDefinition();
        return definition == typeof(Dictionary<,>) || definition == typeof(IDictionary<,>) || definition == typeof(IReadOnlyDictionary<,>)
            ? For(element) is { } item
                ? (OptionConverter)Activator.CreateInstance(typeof(DictionaryConverter<>).MakeGenericType(element), item)!
                : null
            : null;
    }

    private static NestedConverter? Nested(Type type) =>
        type is { IsClass: true, IsAbstract: false } && type.Namespace != nameof(System) && type.GetConstructor(Type.EmptyTypes) is not null
            ? new NestedConverter(type)
            : null;

    private static OptionConverter? MakeList(string method, Type element) =>
        For(element) is { } item
            ? (OptionConverter)typeof(OptionConverters)
                .GetMethod(method, System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
                .MakeGenericMethod(element).Invoke(null, [item])!
            : null;

    private static ListConverter<T> ArrayOf<T>(OptionConverter item) => new(item, static items => items.ToArray());

    private static ListConverter<T> ListOf<T>(OptionConverter item) => new(item, static items => items);

    private static ListConverter<T> SetOf<T>(OptionConverter item) => new(item, static items => new HashSet<T>(items));
}
