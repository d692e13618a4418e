namespace Policyd.Plugins.Ldap;

/// <summary>A search below <paramref name="Base"/>.</summary>
/// <param name="Base">The distinguished name.</param>
/// <param name="Filter">As RFC 4515 writes it.</param>
/// <param name="Attributes">What to give of each entry.</param>
/// <param name="Most">How many entries to give at most.</param>
internal sealed record LdapSearch(string Base, string Filter, IReadOnlyList<string> Attributes, int Most);

/// <summary>An entry that was found.</summary>
/// <param name="Name">Its distinguished name.</param>
/// <param name="Attributes">Each attribute's values as text.</param>
public sealed record LdapEntry(string Name, IReadOnlyDictionary<string, IReadOnlyList<string>> Attributes);

/// <summary>What a search came to.</summary>
/// <param name="Code">0 for success; RFC 4511, appendix A.</param>
/// <param name="Diagnostic">The server's words. From the network: escape them.</param>
/// <param name="Entries">What was found.</param>
public sealed record LdapResult(int Code, string Diagnostic, IReadOnlyList<LdapEntry> Entries)
{
    /// <summary>The code of success.</summary>
    public const int Success = 0;

    /// <summary>The code of a search that has found more entries than were asked for, and gives those.</summary>
    public const int SizeLimitExceeded = 4;

    internal const int Busy = 51;
    internal const int Unavailable = 52;

    /// <summary>The code of a search below a name that does not exist.</summary>
    public const int NoSuchObject = 32;

    /// <summary>Code and words, for a log.</summary>
    public override string ToString() => Diagnostic.Length == 0 ? $"result {Code}" : $"result {Code}, {Diagnostic}";
}
