using System.Runtime.CompilerServices;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Works out substitutions and joins. The rules are the specification's: a substitution looks forward to the final value of its path; when
// that would go round in a circle it looks back, to what the key was before the definition that is being worked out. So a definition
// that is in progress hides itself and everything above it in its key's row of definitions. Each substitution is worked out once.
// HoconTreeBuilder turns the values into the tree.
internal sealed class HoconResolver(HoconObjectLiteral root, ConfigurationReadOptions options, DiagnosticBag diagnostics)
{
    private readonly Dictionary<HoconDeferred, HoconValue?> _known = new(ReferenceEqualityComparer.Instance);
    private readonly List<HoconDeferred> _inProgress = [];
    private readonly HoconJoiner _joiner = new(options, diagnostics);
    private bool _lookedBackAtNothing;

    public ConfigObject Resolve() => new HoconTreeBuilder(this, options, diagnostics).Build(root);

    /// <summary>The value of a key that has these definitions; null when all of them are undefined.</summary>
    public HoconValue? Evaluate(IReadOnlyList<HoconDefinition> definitions)
    {
        List<IReadOnlyList<HoconObjectLiteral>>? objects = null;
        for (var i = Visible(definitions) - 1; i >= 0; i--)
        {
            var value = Evaluate(definitions[i].Value);
            if (value is HoconObjectValue { Layers: var layers })
            {
                (objects ??= []).Add(layers);
            }
            else if (value is not null && objects is null)
            {
                return value;
            }
            else if (value is not null)
            {
                break;
            }
        }

        if (objects is null)
        {
            return null;
        }

        if (objects.Count == 1)
        {
            return new HoconObjectValue(objects[0]);
        }

        objects.Reverse();
        return _joiner.Merge(objects, definitions[^1].Value.Position);
    }

    /// <summary>The value of an expression; null when it is undefined.</summary>
    public HoconValue? Evaluate(HoconExpression expression) => expression switch
    {
        HoconLiteral literal => new HoconScalarValue(literal.Text, literal.Kind, literal.Position),
        HoconObjectLiteral literal => new HoconObjectValue([literal]),
        HoconArrayLiteral literal => new HoconArrayValue(null, literal.Items, literal, literal.Position),
        HoconMember member => Evaluate(member.Definitions),
        HoconDeferred deferred => EvaluateOnce(deferred),
        _ => null,
    };

    // How many of the definitions may be looked at: those below the lowest one in progress.
    private int Visible(IReadOnlyList<HoconDefinition> definitions)
    {
        if (_inProgress.Count == 0)
        {
            return definitions.Count;
        }

        for (var i = 0; i < definitions.Count; i++)
        {
            if (definitions[i].Value is not HoconDeferred deferred || !deferred.InProgress)
            {
                continue;
            }

            _lookedBackAtNothing |= i == 0;
            return i;
        }

        return definitions.Count;
    }

    private HoconValue? EvaluateOnce(HoconDeferred deferred)
    {
        if (_known.TryGetValue(deferred, out var known))
        {
            return known;
        }

        if (deferred.InProgress)
        {
            return null;
        }

        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            diagnostics.Error(deferred.Position, "the chain of substitutions that refer to each other is too long");
            return _known[deferred] = HoconFailure.Instance;
        }

        deferred.InProgress = true;
        _inProgress.Add(deferred);
        var value = deferred is HoconSubstitution substitution ? Substitute(substitution) : Join((HoconConcatenation)deferred);
        _inProgress.RemoveAt(_inProgress.Count - 1);
        deferred.InProgress = false;
        return _known[deferred] = value;
    }

    private HoconValue? Join(HoconConcatenation concatenation)
    {
        var values = new List<(HoconExpression Part, HoconValue? Value)>(concatenation.Parts.Count);
        foreach (var part in concatenation.Parts)
        {
            values.Add((part, Evaluate(part)));
        }

        return _joiner.Join(concatenation, values);
    }

    private HoconValue? Substitute(HoconSubstitution substitution)
    {
        _lookedBackAtNothing = false;
        foreach (var lookup in substitution.Lookups)
        {
            if (Find(lookup) is { } found)
            {
                return found;
            }
        }

        var circular = _lookedBackAtNothing;
        if (substitution.UsesEnvironment && FromEnvironment(substitution) is { } value)
        {
            return value;
        }

        if (substitution.Optional)
        {
            return null;
        }

        diagnostics.Error(substitution.Position, circular
            ? $"${{{substitution.Name}}} refers to itself: {Circle()}"
            : $"${{{substitution.Name}}} is defined neither in the configuration nor in the environment; write "
                + $"${{?{substitution.Name}}} when it may be absent");
        return HoconFailure.Instance;
    }

    private HoconValue? Find(HoconLookup lookup)
    {
        HoconValue? value = new HoconObjectValue([lookup.Root]);
        foreach (var key in lookup.Path)
        {
            if (value is not HoconObjectValue parent)
            {
                return value as HoconFailure;
            }

            value = Evaluate(parent.DefinitionsOf(key));
        }

        return value;
    }

    private HoconValue? FromEnvironment(HoconSubstitution substitution)
    {
        if (!substitution.IsList)
        {
            return options.Environment(substitution.Name) is { } text
                ? new HoconScalarValue(text, ScalarKind.String, substitution.Position)
                : null;
        }

        var items = new List<HoconExpression>();
        while (items.Count < options.MaxNodes && options.Environment($"{substitution.Name}_{items.Count}") is { } item)
        {
            items.Add(new HoconLiteral(item, ScalarKind.String, substitution.Position));
        }

        return items.Count == 0 ? null : new HoconArrayValue(null, items, null, substitution.Position);
    }

    // The places on the way round, the substitutions only: "a.conf:1:5 -> 2:5 -> 3:5".
    private string Circle()
    {
        var places = _inProgress.OfType<HoconSubstitution>().ToList();
        var last = places[^1].Position;
        return string.Join(" -> ", places.Select(place => $"${{{place.Name}}} at {place.Position.RelativeTo(last)}").TakeLast(8));
    }
}
