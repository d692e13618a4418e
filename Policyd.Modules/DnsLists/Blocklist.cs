using System.Net;
using Policyd.Modules.Texts;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Logging;

namespace Policyd.Modules.DnsLists;

// A list that is asked by DNS (RFC 5782): a name under its domain has an A record when it is listed, and a TXT record that tells why.
internal sealed class Blocklist
{
    private static readonly DnsAnswer s_noTime = new(DnsStatus.TimedOut, []);
    private static readonly ListResult s_notListed = new([], "");

    private readonly IDnsResolver _dns;
    private readonly ListRefusals _refusals;
    private readonly ListDomain _domain;
    private readonly AnswerCodes _codes;
    private readonly IReadOnlyList<AnswerPattern> _answers;

    private Blocklist(PluginSetup setup, ListDomain domain, IReadOnlyList<AnswerPattern> answers)
    {
        _dns = setup.Dns;
        _refusals = setup.Shared(() => new ListRefusals(setup.Clock));
        _domain = domain;
        _codes = new AnswerCodes(domain.Name);
        _answers = answers;
    }

    /// <summary>Makes a list; null, and an error at the option's place, when there can be none.</summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="domain">The option <c>domain</c>.</param>
    /// <param name="key">The option <c>key</c>.</param>
    /// <param name="answers">The option <c>answers</c>: what counts as a listing. None: what lists document.</param>
    public static Blocklist? Create(PluginSetup setup, string domain, string? key, IReadOnlyList<AnswerPattern> answers) =>
        ListDomain.Create(setup, domain, key) is { } its ? new Blocklist(setup, its, answers) : null;

    /// <summary>Sends the questions about a name, so that their answers are there when the plugin runs.</summary>
    public void Start(string name, bool withText) => _ = AskBothAsync(AsIs(name), withText, null, null).AsTask();

    /// <summary>
    /// What the list says of a name; null when it could not be asked, which is logged. Its text takes a second question, so it is empty
    /// where no message shows it.
    /// </summary>
    public ValueTask<ListResult?> LookUpAsync(string name, bool withText, PluginContext context, Plugin plugin) =>
        AskBothAsync(AsIs(name), withText, context, plugin);

    /// <summary>Notes what the list says of a name or an address.</summary>
    public void Note(PluginContext context, string asked, ListResult result)
    {
        if (context.TakesNotes)
        {
            context.Note(
                asked,
                string.Join(' ', result.Addresses),
                _domain.Shown,
                result.Addresses.Length > 0 ? "listed" : "not listed");
        }
    }

    // A stranger's backslash is a byte like others; for the resolver it would take the dot behind it into the label.
    private static string AsIs(string name) => name.Replace("\\", "\\\\", StringComparison.Ordinal);

    private async ValueTask<ListResult?> AskBothAsync(string name, bool withText, PluginContext? context, Plugin? plugin)
    {
        var full = name + "." + _domain.Name;
        var answer = await AskAsync(full, DnsRecordType.A, context).ConfigureAwait(false);
        if (answer.IsTemporaryFailure)
        {
            context?.Note(_domain.Shown, answer.Status, "no answer");
            context?.Log(
                (PolicyLogLevel)plugin!.LogLevel,
                plugin,
                $"{_domain.Shown} could not be queried: {(answer.Status == DnsStatus.TimedOut ? "no answer" : "server failure")}");
            return null;
        }

        if (answer.Records.Count == 0)
        {
            return s_notListed;
        }

        var sorted = Sort(answer);
        if (context is not null)
        {
            TellOfRefusal(sorted, context, plugin!);
        }

        // A list that refuses is not asked a second time in vain.
        var why = withText && sorted.IsWorthAsking ? await AskAsync(full, DnsRecordType.Txt, context).ConfigureAwait(false) : s_noTime;
        return new ListResult(
            sorted.Counting,
            _domain.Hide(TextOfBytes.ForPeople(why.Records.OfType<TextRecord>().FirstOrDefault()?.Text ?? "")),
            sorted.Others.Count > 0 ? [.. sorted.Others.Select(static other => other.Address.ToString())] : null);
    }

    private SortedAnswer Sort(DnsAnswer answer)
    {
        var counting = new List<string>();
        var others = new List<(IPAddress Address, AnswerMeaning Meaning)>();
        foreach (var record in answer.Records.OfType<AddressRecord>())
        {
            var meaning = _codes.MeaningOf(record.Address);
            if (_answers.Count > 0 ? _answers.Any(pattern => pattern.Matches(record.Address)) : meaning == AnswerMeaning.Listing)
            {
                counting.Add(record.Address.ToString());
            }
            else
            {
                others.Add((record.Address, meaning));
            }
        }

        return new SortedAnswer([.. counting], others);
    }

    private void TellOfRefusal(SortedAnswer answer, PluginContext context, Plugin plugin)
    {
        var codes = answer.Others.Where(static other => other.Meaning != AnswerMeaning.Listing).ToList();
        if (codes.Count == 0)
        {
            return;
        }

        ListRefusals.Count(_domain.Shown);
        if (_refusals.Warns(_domain.Shown))
        {
            var why = codes.Exists(static code => code.Meaning == AnswerMeaning.Refusal)
                ? "the list refuses this resolver or this query"
                : "a list answers only within 127.0.0.0/8; the list is closed, or the resolver returns false answers";
            context.Log(
                PolicyLogLevel.Warning,
                plugin,
                $"{_domain.Shown} answers {string.Join(", ", codes.Select(static code => code.Address))}, which is not a listing: {why}");
        }
    }

    // A quarter of the plugin's time stays for what comes after it: a list that is slow must not make the mail's answer late.
    private async ValueTask<DnsAnswer> AskAsync(string name, DnsRecordType type, PluginContext? context)
    {
        var asked = _dns.ResolveAsync(name, type, _domain.Shown, CancellationToken.None);
        if (asked.IsCompleted || context is null)
        {
            return await asked.ConfigureAwait(false);
        }

        try
        {
            return await asked.AsTask().WaitAsync(context.Remaining * 0.75, context.Clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return s_noTime;
        }
    }

    private sealed record SortedAnswer(string[] Counting, List<(IPAddress Address, AnswerMeaning Meaning)> Others)
    {
        public bool IsWorthAsking => Counting.Length > 0 || Others.Exists(static other => other.Meaning == AnswerMeaning.Listing);
    }
}
