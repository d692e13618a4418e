using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>What both servers are given, and what they are asked.</summary>
/// <param name="Name">What the summary calls it.</param>
/// <param name="Plugins">The body of the virtual host in mtpolicyd.conf. <c>@OWN@</c> becomes a folder that each server has for itself,
/// <c>@SIDE@</c> its name: theirs or ours.</param>
internal sealed record DifferentialSetup(string Name, string Plugins)
{
    /// <summary>Of the mails, and of what else of the setup is random.</summary>
    public int Seed { get; init; } = TestSeed.Next();

    /// <summary>Sections beside the memcached that is always there; with the same placeholders.</summary>
    public string Connections { get; init; } = "";

    public string SessionCache { get; init; } = "Memcached";

    public int Mails { get; init; } = 200;

    /// <summary>The whole configuration instead, from the policy port and memcached's; with the same placeholders.</summary>
    public Func<int, int, string>? Whole { get; init; }

    /// <summary>Our server is the executable, as an operator starts it, and not one in the tests' process.</summary>
    public bool IsExecutable { get; init; }

    /// <summary>
    /// Starts a third server, of ours as well, on the configuration and the port that are given; it must answer as the second does.
    /// </summary>
    public Func<string, int, Task<IAsyncDisposable>>? Third { get; init; }

    /// <summary>The DNS server that both ask; null: neither asks any.</summary>
    public ScriptedDnsServer? Dns { get; init; }

    /// <summary>Where mtpolicyd finds Perl libraries beside the system's; null: nowhere.</summary>
    public string? PerlLibraries { get; init; }

    /// <summary>The values of each attribute, one of which a mail gets. One that stands twice comes more often.</summary>
    public required IReadOnlyDictionary<string, string[]> Attributes { get; init; }

    /// <summary>The attributes that each recipient of a mail gets anew.</summary>
    public IReadOnlyList<string> PerRecipient { get; init; } = ["recipient"];

    public int MostRecipients { get; init; } = 4;

    /// <summary>Whether a mail may name a recipient twice, which Quota takes for one that Postfix sends again.</summary>
    public bool RepeatsRecipients { get; init; } = true;

    public IReadOnlyList<IntendedDifference> Intended { get; init; } = [];

    /// <summary>What of an answer is compared.</summary>
    public Func<string, string> Comparable { get; init; } = static answer => answer;

    /// <summary>What is done with the folder <c>@OWN@</c> of each server before it starts.</summary>
    public Func<string, Task>? Prepare { get; init; }

    /// <summary>What of the configuration differs between the two, such as a database: given theirs or ours, and the text.</summary>
    public Func<string, string, string> ForSide { get; init; } = static (_, text) => text;

    /// <summary>What is looked at in each server's folder after the last answer, while both still run.</summary>
    public Func<string, Task>? AtEnd { get; init; }

    /// <summary>Our server's clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>What happens before a mail, by its number: given memcached's port.</summary>
    public Func<int, int, Task>? BeforeMail { get; init; }

    /// <summary>Sees each request with mtpolicyd's answer and ours.</summary>
    public Action<PolicyRequest, string, string>? Seen { get; init; }

    /// <summary>Fewer different answers than this, and the chain tests nothing.</summary>
    public int LeastAnswers { get; init; } = 3;
}
