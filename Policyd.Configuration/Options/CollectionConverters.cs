using System.Globalization;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

// Lists, dictionaries, nested options, and raw nodes.

/// <summary>An array, or a text with separators, or an object whose keys are numbers.</summary>
internal sealed class ListConverter<T>(OptionConverter item, Func<List<T>, object> finish) : OptionConverter
{
    public override string TypeName => $"a list ({item.TypeName} each)";

    public override Type? NestedType => item.NestedType;

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (Items(node, conversion) is not { } nodes)
        {
            return conversion.Expected(node, TypeName);
        }

        var fits = true;
        var items = new List<T>(nodes.Count);
        foreach (var element in nodes)
        {
            if (element is ConfigScalar { IsNull: true })
            {
                fits = conversion.Expected(element, item.TypeName);
            }
            else if (item.TryConvert(element, conversion, out var converted))
            {
                items.Add((T)converted!);
            }
            else
            {
                fits = false;
            }
        }

        if (fits)
        {
            value = finish(items);
        }

        return fits;
    }

    public override string? Format(object value) => string.Join(", ", ((IEnumerable<T>)value).Select(element => item.Format(element!)));

    private IReadOnlyList<ConfigNode>? Items(ConfigNode node, OptionConversion conversion) => node switch
    {
        ConfigArray array => array.Items,
        ConfigScalar scalar when item.NestedType is null => Split(scalar, conversion.Separators),
        ConfigObject numbered => Numbered(numbered),
        _ => null,
    };

    private static List<ConfigNode> Split(ConfigScalar scalar, string separators)
    {
        if (separators.Length == 0)
        {
            return [scalar];
        }

        return [.. scalar.Text.Split(separators.ToCharArray(), StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(text => new ConfigScalar(text, HoconText.KindOf(text), scalar.Position))];
    }

    private static List<ConfigNode>? Numbered(ConfigObject candidate)
    {
        var items = new SortedDictionary<int, ConfigNode>();
        foreach (var member in candidate.Members)
        {
            if (!int.TryParse(member.Key, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            {
                return null;
            }

            items[index] = member.Value;
        }

        return items.Count == 0 ? null : [.. items.Values];
    }
}

/// <summary>An object with keys of the operator's choice.</summary>
internal sealed class DictionaryConverter<T>(OptionConverter item) : OptionConverter
{
    public override string TypeName => $"an object with {item.TypeName} for each key";

    public override Type? NestedType => item.NestedType;

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (node is not ConfigObject source)
        {
            return conversion.Expected(node, TypeName);
        }

        var fits = true;
        var items = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var member in source.Members)
        {
            if (member.Value is ConfigScalar { IsNull: true })
            {
                continue;
            }

            if (item.TryConvert(member.Value, conversion with { Option = $"{conversion.Option}.{member.Key}" }, out var converted))
            {
                items[member.Key] = (T)converted!;
            }
            else
            {
                fits = false;
            }
        }

        if (fits)
        {
            value = items;
        }

        return fits;
    }

    public override string? Format(object value) => null;
}

/// <summary>Options inside options.</summary>
internal sealed class NestedConverter(Type type) : OptionConverter
{
    public override string TypeName => "an object";

    public override Type NestedType => type;

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = null;
        if (node is not ConfigObject source)
        {
            return conversion.Expected(node, TypeName);
        }

        value = Activator.CreateInstance(type)!;
        return OptionBinder.Bind(value, source, conversion.Diagnostics, new BindingOptions { Subject = conversion.Option });
    }

    public override string? Format(object value) => null;
}

/// <summary>The tree itself, for an option that somebody else understands.</summary>
internal sealed class NodeConverter<T>(string typeName) : OptionConverter where T : ConfigNode
{
    public override string TypeName => typeName;

    public override bool TryConvert(ConfigNode node, OptionConversion conversion, out object? value)
    {
        value = node as T;
        return value is not null || conversion.Expected(node, typeName);
    }

    public override string? Format(object value) => value is ConfigScalar scalar ? scalar.Text : null;
}
