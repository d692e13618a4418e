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
internal sealed record LdapEntry(string Name, IReadOnlyDictionary<string, IReadOnlyList<string>> Attributes);

/// <summary>What an operation came to.</summary>
/// <param name="Code">0 for success; RFC 4511, appendix A.</param>
/// <param name="Diagnostic">The server's words.</param>
/// <param name="Entries">What was found.</param>
internal sealed record LdapResult(int Code, string Diagnostic, IReadOnlyList<LdapEntry> Entries)
{
    public const int Success = 0;

    /// <summary>There are more entries than were asked for.</summary>
    public const int SizeLimitExceeded = 4;

    /// <summary>The base does not exist.</summary>
    public const int NoSuchObject = 32;

    public override string ToString() => Diagnostic.Length == 0 ? $"result {Code}" : $"result {Code}, {Diagnostic}";
}
