namespace Policyd.Configuration.Tree;

/// <summary>A list of values, in the order of the file.</summary>
public sealed class ConfigArray : ConfigNode
{
    /// <summary>Makes an array.</summary>
    /// <param name="items">Its elements.</param>
    /// <param name="position">Where it begins.</param>
    /// <param name="comments">The comment lines before it.</param>
    /// <param name="inlineComment">The comment on the line of its opening bracket.</param>
    /// <param name="closingComments">The comment lines before its closing bracket.</param>
    public ConfigArray(
        IReadOnlyList<ConfigNode> items,
        SourcePosition position,
        IReadOnlyList<string>? comments = null,
        string? inlineComment = null,
        IReadOnlyList<string>? closingComments = null)
        : base(position, comments, inlineComment)
    {
        Items = items;
        ClosingComments = closingComments ?? [];
    }

    /// <summary>The elements.</summary>
    public IReadOnlyList<ConfigNode> Items { get; }

    /// <summary>The comment lines between the last element and the closing bracket.</summary>
    public IReadOnlyList<string> ClosingComments { get; }

    /// <inheritdoc/>
    public override string Describe() => "an array";

    /// <inheritdoc/>
    public override ConfigArray WithComments(IReadOnlyList<string>? comments, string? inlineComment) =>
        new(Items, Position, comments, inlineComment, ClosingComments);
}
