using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Values to the tree that everybody else sees. A substitution met again while the tree below it is being built would go on for ever, as in
// a = { b = ${a} }: that is the one circle which looking back cannot break.
internal sealed class HoconTreeBuilder(HoconResolver resolver, ConfigurationReadOptions options, DiagnosticBag diagnostics)
{
    private readonly HashSet<HoconExpression> _building = new(ReferenceEqualityComparer.Instance);
    private int _nodesLeft = options.MaxNodes;
    private int _depth;
    private bool _tooLarge;
    private bool _tooDeep;

    public ConfigObject Build(HoconObjectLiteral root) => BuildObject(new HoconObjectValue([root]), root);

    private ConfigNode? BuildMember(IReadOnlyList<HoconDefinition> definitions)
    {
        var value = resolver.Evaluate(definitions);
        if (value is null)
        {
            return null;
        }

        var entered = new List<HoconExpression>();
        foreach (var definition in definitions)
        {
            if (!Enter(definition.Value, value, entered))
            {
                value = HoconFailure.Instance;
                break;
            }
        }

        var node = Build(value, definitions[^1].Value);
        entered.ForEach(expression => _building.Remove(expression));
        return node;
    }

    private ConfigNode? BuildItem(HoconExpression item)
    {
        if (item is HoconMember member)
        {
            return BuildMember(member.Definitions);
        }

        return BuildMember([new HoconDefinition(item, item.Position)]);
    }

    private bool Enter(HoconExpression expression, HoconValue value, List<HoconExpression> entered)
    {
        if (expression is not HoconDeferred || value is HoconScalarValue or HoconFailure)
        {
            return true;
        }

        if (_building.Add(expression))
        {
            entered.Add(expression);
            return true;
        }

        diagnostics.Error(expression.Position, "this value contains itself");
        return false;
    }

    private ConfigNode Build(HoconValue value, HoconExpression definition)
    {
        if (!Spend(definition.Position))
        {
            return Scalar("", ScalarKind.Null, definition.Position, definition);
        }

        _depth++;
        ConfigNode node = value switch
        {
            HoconScalarValue scalar => Scalar(scalar.Text, scalar.Kind, scalar.Position, definition),
            HoconArrayValue array => BuildArray(array, definition),
            HoconObjectValue merged => BuildObject(merged, definition),
            _ => Scalar("", ScalarKind.Null, definition.Position, definition),
        };
        _depth--;
        return node;
    }

    private bool Spend(SourcePosition position)
    {
        if (_depth > options.MaxDepth) // a scalar may stand in the deepest object that the parser lets through
        {
            if (!_tooDeep)
            {
                diagnostics.Error(position, $"nested deeper than {options.MaxDepth} levels");
            }

            _tooDeep = true;
            return false;
        }

        if (_nodesLeft-- > 0)
        {
            return true;
        }

        if (!_tooLarge)
        {
            diagnostics.Error(position, $"the configuration contains more than {options.MaxNodes} values");
        }

        _tooLarge = true;
        return false;
    }

    private ConfigArray BuildArray(HoconArrayValue array, HoconExpression definition)
    {
        var items = new List<ConfigNode>();
        foreach (var item in array.AllItems())
        {
            if (BuildItem(item) is { } node)
            {
                items.Add(node);
            }

            if (_tooLarge)
            {
                break;
            }
        }

        return new ConfigArray(
            items,
            array.Position,
            definition.Comments,
            definition.InlineComment,
            (array.Literal ?? definition as HoconArrayLiteral)?.ClosingComments);
    }

    private ConfigObject BuildObject(HoconObjectValue merged, HoconExpression definition)
    {
        var members = new List<ConfigMember>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in merged.Layers.SelectMany(layer => layer.Keys))
        {
            if (!seen.Add(key))
            {
                continue;
            }

            var definitions = merged.DefinitionsOf(key);
            if (BuildMember(definitions) is { } node)
            {
                members.Add(new ConfigMember(key, definitions[^1].KeyPosition, node));
            }

            if (_tooLarge)
            {
                break;
            }
        }

        var top = merged.Layers[^1];
        return new ConfigObject(
            members, top.Position, definition.Comments, definition.InlineComment ?? top.InlineComment, top.ClosingComments);
    }

    private static ConfigScalar Scalar(string text, ScalarKind kind, SourcePosition position, HoconExpression definition) =>
        new(text, kind, position, definition.Comments, definition.InlineComment);
}
