using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// What the parser hands to the resolver: expressions, in which a key keeps every definition it was given, in order. Nothing is merged or
// looked up yet, since a substitution may ask for what a key was before its last definition.
internal abstract class HoconExpression(SourcePosition position)
{
    public SourcePosition Position { get; } = position;

    public IReadOnlyList<string>? Comments { get; set; }

    public string? InlineComment { get; set; }
}

internal sealed class HoconLiteral(string text, ScalarKind kind, SourcePosition position) : HoconExpression(position)
{
    public string Text { get; } = text;

    public ScalarKind Kind { get; } = kind;

    /// <summary>Whether it was one text in quotes.</summary>
    public bool IsQuoted { get; init; }
}

/// <summary>White space between two values, which only counts when they are joined to a string.</summary>
internal sealed class HoconSpace(string text, SourcePosition position) : HoconExpression(position)
{
    public string Text { get; } = text;
}

internal sealed class HoconArrayLiteral(SourcePosition position) : HoconExpression(position)
{
    public List<HoconExpression> Items { get; } = [];

    public IReadOnlyList<string>? ClosingComments { get; set; }
}

/// <summary>One definition of a key.</summary>
internal readonly record struct HoconDefinition(HoconExpression Value, SourcePosition KeyPosition);

internal sealed class HoconObjectLiteral(SourcePosition position) : HoconExpression(position)
{
    private readonly Dictionary<string, List<HoconDefinition>> _definitions = new(StringComparer.Ordinal);

    public List<string> Keys { get; } = [];

    public IReadOnlyList<string>? ClosingComments { get; set; }

    public IReadOnlyList<HoconDefinition> DefinitionsOf(string key) => _definitions.TryGetValue(key, out var list) ? list : [];

    public void Add(string key, HoconDefinition definition)
    {
        if (!_definitions.TryGetValue(key, out var list))
        {
            _definitions[key] = list = [];
            Keys.Add(key);
        }

        list.Add(definition);
    }
}

/// <summary>A value that must be worked out: a substitution, or values that stand beside each other.</summary>
internal abstract class HoconDeferred(SourcePosition position) : HoconExpression(position)
{
    /// <summary>Whether the resolver is working it out: whoever asks for its key meanwhile sees what the key was before.</summary>
    public bool InProgress { get; set; }
}

/// <summary>A member of an object that is read as an array's element, with all its definitions.</summary>
internal sealed class HoconMember(IReadOnlyList<HoconDefinition> definitions) : HoconExpression(definitions[^1].Value.Position)
{
    public IReadOnlyList<HoconDefinition> Definitions { get; } = definitions;
}

/// <summary>A place where a substitution is looked for.</summary>
/// <param name="Root">The object in which the path begins.</param>
/// <param name="Path">The path.</param>
internal readonly record struct HoconLookup(HoconObjectLiteral Root, IReadOnlyList<string> Path);

internal sealed class HoconSubstitution(IReadOnlyList<HoconLookup> lookups, string name, bool optional, SourcePosition position)
    : HoconDeferred(position)
{
    /// <summary>Where to look, first the innermost included file, last the whole configuration.</summary>
    public IReadOnlyList<HoconLookup> Lookups { get; } = lookups;

    /// <summary>The path as it was written: the environment variable's name, and the name for messages.</summary>
    public string Name { get; } = name;

    public bool Optional { get; } = optional;

    /// <summary>Whether <c>X_0</c>, <c>X_1</c>, … of the environment are asked for, as <c>${X[]}</c>.</summary>
    public bool IsList { get; init; }

    /// <summary>False for the look back of <c>+=</c>, which means this key and no environment variable.</summary>
    public bool UsesEnvironment { get; init; } = true;
}

internal sealed class HoconConcatenation(IReadOnlyList<HoconExpression> parts, SourcePosition position) : HoconDeferred(position)
{
    public IReadOnlyList<HoconExpression> Parts { get; } = parts;
}
