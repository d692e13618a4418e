namespace Policyd.Configuration.Tree;

/// <summary>
/// A value of a configuration, whichever language it was written in: an object, an array or a scalar. It is immutable and knows
/// where it was written. Comments ride along so that a converted file keeps them; nothing else looks at them.
/// </summary>
/// <remarks>A comment line is kept as written, its <c>#</c> or <c>//</c> included; an empty string stands for a blank line.</remarks>
public abstract class ConfigNode
{
    private protected ConfigNode(SourcePosition position, IReadOnlyList<string>? comments, string? inlineComment)
    {
        Position = position;
        Comments = comments ?? [];
        InlineComment = inlineComment;
    }

    /// <summary>Where the value begins.</summary>
    public SourcePosition Position { get; }

    /// <summary>The comment lines that stood before the member or element.</summary>
    public IReadOnlyList<string> Comments { get; }

    /// <summary>The comment that stood behind the value (behind the opening brace, for an object) on the same line.</summary>
    public string? InlineComment { get; }

    /// <summary>What this node is, in words for a message: <c>an object</c>, <c>an array</c>, <c>a number</c>, …</summary>
    public abstract string Describe();

    /// <summary>The same value with other comments.</summary>
    /// <param name="comments">The lines before it.</param>
    /// <param name="inlineComment">The comment on its own line.</param>
    public abstract ConfigNode WithComments(IReadOnlyList<string>? comments, string? inlineComment);
}
