using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

// mtpolicyd.conf as it was written: options and sections in their order, before it is known what they mean.
internal abstract record ConfItem(string Name, SourcePosition Position)
{
    public IReadOnlyList<string>? Comments { get; init; }

    public string? InlineComment { get; set; }
}

internal sealed record ConfOption(string Name, ConfigScalar Value, SourcePosition Position) : ConfItem(Name, Position);

internal sealed record ConfSection(string Name, string? Argument, SourcePosition Position) : ConfItem(Name, Position)
{
    public List<ConfItem> Items { get; } = [];

    public IReadOnlyList<string>? ClosingComments { get; set; }

    /// <summary>The section's head, for messages.</summary>
    public string Head => Argument is null ? $"<{Name}>" : $"<{Name} {Argument}>";
}
