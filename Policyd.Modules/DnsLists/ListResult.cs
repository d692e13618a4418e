namespace Policyd.Modules.DnsLists;

/// <summary>What a list said; kept in the session.</summary>
/// <param name="Addresses">The A records that count; none: not listed.</param>
/// <param name="Info">The TXT record.</param>
/// <param name="Others">The A records that do not count: refusals, and what the option <c>answers</c> does not have. Absent when there are
/// none.</param>
internal sealed record ListResult(string[] Addresses, string Info, string[]? Others = null)
{
    // More than fits an answer; a TXT record may have 64 KB, which each session would keep.
    private const int MostInfo = 512;

    /// <summary>What the list says of it, without what is too long.</summary>
    public string Info { get; init; } = Info is { Length: > MostInfo } ? Info[..MostInfo] : Info;
}
