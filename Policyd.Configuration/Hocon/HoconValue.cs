using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// What an expression comes to when it is worked out as far as its kind and no further: the members of an object stay unevaluated, so that
// an object may refer to its own members.
internal abstract record HoconValue;

internal sealed record HoconScalarValue(string Text, ScalarKind Kind, SourcePosition Position) : HoconValue;

/// <summary>Objects that are merged, the last one over those before it.</summary>
internal sealed record HoconObjectValue(IReadOnlyList<HoconObjectLiteral> Layers) : HoconValue
{
    /// <summary>All definitions of a key, the winning one last.</summary>
    public IReadOnlyList<HoconDefinition> DefinitionsOf(string key)
    {
        if (Layers.Count == 1)
        {
            return Layers[0].DefinitionsOf(key);
        }

        return [.. Layers.SelectMany(layer => layer.DefinitionsOf(key))];
    }
}

/// <summary>
/// Elements behind those of another array: sharing the earlier ones keeps a long row of <c>+=</c> from taking quadratic memory.
/// </summary>
internal sealed record HoconArrayValue(
    HoconArrayValue? Before, IReadOnlyList<HoconExpression> Items, HoconArrayLiteral? Literal, SourcePosition Position) : HoconValue
{
    public long Count { get; } = (Before?.Count ?? 0) + Items.Count;

    public List<HoconExpression> AllItems()
    {
        var parts = new Stack<IReadOnlyList<HoconExpression>>();
        for (var array = this; array is not null; array = array.Before)
        {
            parts.Push(array.Items);
        }

        return [.. parts.SelectMany(part => part)];
    }
}

/// <summary>A value that could not be worked out, which has been reported.</summary>
internal sealed record HoconFailure : HoconValue
{
    public static readonly HoconFailure Instance = new();
}
