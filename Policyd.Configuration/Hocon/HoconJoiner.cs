using System.Globalization;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Joins values that stand beside each other: strings to a string, arrays to an array, objects to a merged object. It also bounds what
// joining can make, since ten lines that each double the one before ask for a terabyte.
internal sealed class HoconJoiner(ConfigurationReadOptions options, DiagnosticBag diagnostics)
{
    private long _charactersLeft = options.MaxBytes;
    private bool _reported;

    public HoconValue? Join(HoconConcatenation concatenation, IReadOnlyList<(HoconExpression Part, HoconValue? Value)> parts)
    {
        var values = parts.Where(part => part.Value is not null).ToList();
        if (values.Count == 0)
        {
            return null;
        }

        if (values.Exists(static part => part.Value is HoconFailure))
        {
            return HoconFailure.Instance;
        }

        if (values.Count == 1 && !parts.Any(static part => part.Part is HoconSpace))
        {
            return values[0].Value;
        }

        if (values.TrueForAll(static part => part.Value is HoconScalarValue))
        {
            return JoinText(concatenation, parts);
        }

        if (values.TrueForAll(static part => part.Value is HoconObjectValue))
        {
            return Merge([.. values.Select(part => ((HoconObjectValue)part.Value!).Layers)], concatenation.Position);
        }

        return JoinArrays(concatenation, values);
    }

    public HoconValue Merge(IReadOnlyList<IReadOnlyList<HoconObjectLiteral>> objects, SourcePosition position)
    {
        // A layer that comes again later says nothing before that.
        var seen = new HashSet<HoconObjectLiteral>(ReferenceEqualityComparer.Instance);
        var layers = new List<HoconObjectLiteral>();
        for (var i = objects.Count - 1; i >= 0; i--)
        {
            for (var j = objects[i].Count - 1; j >= 0; j--)
            {
                if (seen.Add(objects[i][j]))
                {
                    layers.Add(objects[i][j]);
                }
            }
        }

        layers.Reverse();
        return layers.Count <= options.MaxNodes ? new HoconObjectValue(layers) : TooLarge(position);
    }

    private HoconValue JoinText(HoconConcatenation concatenation, IReadOnlyList<(HoconExpression Part, HoconValue? Value)> parts)
    {
        var texts = parts.Select(static part => part switch
        {
            { Part: HoconSpace space } => space.Text,
            { Value: HoconScalarValue scalar } => scalar.Kind == ScalarKind.Null ? "null" : scalar.Text,
            _ => "",
        }).ToList();
        _charactersLeft -= texts.Sum(static text => (long)text.Length);
        return _charactersLeft < 0
            ? TooLarge(concatenation.Position)
            : new HoconScalarValue(string.Concat(texts), ScalarKind.String, concatenation.Position);
    }

    private HoconValue JoinArrays(HoconConcatenation concatenation, List<(HoconExpression Part, HoconValue? Value)> values)
    {
        HoconArrayValue? joined = null;
        foreach (var (part, value) in values)
        {
            var array = value as HoconArrayValue ?? FromNumberedKeys(value);
            if (array is null)
            {
                diagnostics.Error(
                    part.Position,
                    $"{Describe(value)} cannot be concatenated with "
                        + $"{Describe(values.First(other => other.Value!.GetType() != value!.GetType()).Value)} in the value that begins "
                        + $"at {concatenation.Position.RelativeTo(part.Position)}; a comma or a newline may be missing");
                return HoconFailure.Instance;
            }

            if ((joined?.Count ?? 0) + array.Count > options.MaxNodes)
            {
                return TooLarge(concatenation.Position);
            }

            joined = joined is null
                ? array
                : new HoconArrayValue(joined, array.Before is null ? array.Items : array.AllItems(), null, concatenation.Position);
        }

        return joined!;
    }

    // An object whose keys are numbers stands for an array where an array is asked for: { "0" : a, "1" : b }.
    private static HoconArrayValue? FromNumberedKeys(HoconValue? value)
    {
        if (value is not HoconObjectValue candidate)
        {
            return null;
        }

        var items = candidate.Layers.SelectMany(layer => layer.Keys).Distinct()
            .Select(key => (
                Key: key, IsNumber: int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var number), Number: number))
            .Where(key => key.IsNumber)
            .OrderBy(key => key.Number)
            .Select(HoconExpression (key) => new HoconMember(candidate.DefinitionsOf(key.Key)))
            .ToList();
        return items.Count == 0 ? null : new HoconArrayValue(null, items, null, items[0].Position);
    }

    private static string Describe(HoconValue? value) => value switch
    {
        HoconArrayValue => "an array",
        HoconObjectValue => "an object",
        _ => "text",
    };

    private HoconFailure TooLarge(SourcePosition position)
    {
        if (!_reported)
        {
            diagnostics.Error(
                position, $"the concatenated value is too large (more than {options.MaxBytes} characters or {options.MaxNodes} elements)");
        }

        _reported = true;
        return HoconFailure.Instance;
    }
}
