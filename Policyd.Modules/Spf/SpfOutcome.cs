using Policyd.Plugins.Dns;

namespace Policyd.Modules.Spf;

/// <summary>The results of RFC 7208, section 2.6.</summary>
internal enum SpfVerdict
{
    /// <summary>There is no policy, or no domain to look one up for.</summary>
    None,

    /// <summary>The policy says nothing of this client.</summary>
    Neutral,

    /// <summary>The client may.</summary>
    Pass,

    /// <summary>The client may not.</summary>
    Fail,

    /// <summary>The client probably may not.</summary>
    SoftFail,

    /// <summary>The policy cannot be looked up at the moment.</summary>
    TempError,

    /// <summary>The policy cannot be understood.</summary>
    PermError,
}

/// <summary>What a check came to.</summary>
/// <param name="Verdict">The result.</param>
/// <param name="Reason">Why, in our words: the mechanism that matched, or what is wrong. Short and printable ASCII.</param>
/// <param name="Explanation">For a fail: the domain's own words (<c>exp=</c>), or the default ones; empty otherwise. Short, but else as it
/// came.</param>
internal sealed record SpfOutcome(SpfVerdict Verdict, string Reason, string Explanation = "");

/// <summary>What is checked. In the domain, the sender and the HELO name each character is a byte of what came.</summary>
/// <param name="Client">The client's address; an IPv4 one written as IPv6 counts as IPv4.</param>
/// <param name="Domain">The domain whose policy is asked.</param>
/// <param name="Sender">The identity with its local part; <c>postmaster@</c> is put before one that has none.</param>
/// <param name="Helo">What the client called itself.</param>
/// <param name="Explain">Whether a fail is to be explained in the domain's own words: it may cost lookups.</param>
internal sealed record SpfRequest(System.Net.IPAddress Client, string Domain, string Sender, string Helo, bool Explain = true)
{
    /// <summary>What may be looked up for it: that of the request to the server.</summary>
    public DnsBudget Lookups { get; init; } = new();
}

/// <summary>The limits of RFC 7208, section 4.6.4, and what a default explanation needs.</summary>
internal sealed record SpfSettings
{
    /// <summary>How many terms of all records together may cause a lookup.</summary>
    public int MaxDnsTerms { get; init; } = 10;

    /// <summary>How many names of an MX or PTR answer are looked up.</summary>
    public int MaxNamesPerTerm { get; init; } = 10;

    /// <summary>How many terms may have lookups that find nothing.</summary>
    public int MaxVoidLookups { get; init; } = 2;

    /// <summary>The text of a fail whose domain explains nothing; macros are expanded.</summary>
    public string DefaultExplanation { get; init; } = "";

    /// <summary>The name of this host, for the macro <c>%{r}</c>.</summary>
    public string Hostname { get; init; } = "unknown";
}

/// <summary>A record, or a macro in one, that the grammar does not have.</summary>
internal sealed class SpfSyntaxException(string message) : Exception(message);
