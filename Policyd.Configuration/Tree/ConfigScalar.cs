using System.Diagnostics.CodeAnalysis;

namespace Policyd.Configuration.Tree;

/// <summary>What a scalar looked like in the file. A binder may still read a string as a number: <c>port = "12345"</c> is common.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "String is what JSON calls it.")]
public enum ScalarKind
{
    /// <summary>Quoted text, or an unquoted word.</summary>
    String,

    /// <summary>An unquoted number; <see cref="ConfigScalar.Text"/> keeps its digits as written.</summary>
    Number,

    /// <summary><c>true</c> or <c>false</c>, unquoted.</summary>
    Boolean,

    /// <summary><c>null</c>, unquoted: the option is as if it were not given.</summary>
    Null,
}

/// <summary>A single value: text, number, boolean or null.</summary>
public sealed class ConfigScalar : ConfigNode
{
    /// <summary>Makes a scalar.</summary>
    /// <param name="text">The text, unquoted and unescaped.</param>
    /// <param name="kind">What it looked like.</param>
    /// <param name="position">Where it begins.</param>
    /// <param name="comments">The comment lines before it.</param>
    /// <param name="inlineComment">The comment behind it on the same line.</param>
    public ConfigScalar(
        string text, ScalarKind kind, SourcePosition position, IReadOnlyList<string>? comments = null, string? inlineComment = null)
        : base(position, comments, inlineComment)
    {
        Text = text;
        Kind = kind;
    }

    /// <summary>The value as text, as written (a number keeps its digits: <c>1.50</c> stays so).</summary>
    public string Text { get; }

    /// <summary>What the value looked like.</summary>
    public ScalarKind Kind { get; }

    /// <summary>Whether the value is null: as if it were not given.</summary>
    public bool IsNull => Kind == ScalarKind.Null;

    /// <inheritdoc/>
    public override string Describe() => Kind switch
    {
        ScalarKind.Number => "a number",
        ScalarKind.Boolean => "a boolean",
        ScalarKind.Null => "null",
        _ => "a string",
    };

    /// <inheritdoc/>
    public override ConfigScalar WithComments(IReadOnlyList<string>? comments, string? inlineComment) =>
        new(Text, Kind, Position, comments, inlineComment);

    /// <summary>The text.</summary>
    public override string ToString() => Text;
}
