using Policyd.Protocol;

namespace Policyd.Server.Replaying;

/// <summary>Requests that were answered in one way, and are answered in another.</summary>
/// <param name="was">By which rule, with which kind of action.</param>
/// <param name="now">The same of the configuration that is tried.</param>
internal sealed class ReplayDifference(ReplayKind was, ReplayKind now)
{
    public ReplayKind Was { get; } = was;

    public ReplayKind Now { get; } = now;

    public long Requests { get; set; }

    public List<ReplayExample> Examples { get; } = [];
}

/// <summary>A rule, and the first word of its action.</summary>
/// <param name="Rule">The plugin; empty when none said anything.</param>
/// <param name="Action">The word in lower case; empty when the connection would be closed.</param>
internal readonly record struct ReplayKind(string Rule, string Action)
{
    public static ReplayKind Of(ReplayAnswer answer) => new(answer.Plugin ?? "", WordOf(answer.Action ?? ""));

    public static string WordOf(string action) => ActionGrammar.FirstWord(action).ToString().ToLowerInvariant();
}

/// <summary>One of them.</summary>
internal sealed record ReplayExample(RecordedRequest Request, ReplayAnswer Was, ReplayAnswer Now);

/// <summary>What a replay has found. Its size does not grow with the recording.</summary>
internal sealed class ReplayFindings
{
    public const int MostExamples = 3;
    private const int MostDifferences = 1_000;
    private const int MostSenders = 100_000;
    private readonly Dictionary<(ReplayKind Was, ReplayKind Now), ReplayDifference> _differences = [];
    private readonly Dictionary<string, long> _senders = new(StringComparer.Ordinal);

    /// <summary>How many requests were tried.</summary>
    public long Requests { get; private set; }

    /// <summary>How many of them are answered otherwise.</summary>
    public long Different { get; private set; }

    /// <summary>In how many of them something failed, in the configuration that is tried or in the one that it is held against.</summary>
    public long Failed { get; private set; }

    /// <summary>What failed first.</summary>
    public string? FirstFailure { get; private set; }

    /// <summary>How many were not tried, since there is no virtual host for them.</summary>
    public long WithoutHost { get; private set; }

    /// <summary>The time of the first request.</summary>
    public DateTimeOffset? From { get; private set; }

    /// <summary>The time of the last.</summary>
    public DateTimeOffset? To { get; private set; }

    /// <summary>The differences, the most frequent first.</summary>
    public IEnumerable<ReplayDifference> Differences => _differences.Values.OrderByDescending(static one => one.Requests);

    /// <summary>The senders whose requests differ, the most frequent first.</summary>
    public IEnumerable<KeyValuePair<string, long>> Senders =>
        _senders.OrderByDescending(static one => one.Value).ThenBy(static one => one.Key, StringComparer.Ordinal);

    /// <summary>A request was tried.</summary>
    /// <param name="request">The request.</param>
    /// <param name="was">What it was answered; null: there was no virtual host.</param>
    /// <param name="now">What it is answered; null: there is no virtual host.</param>
    /// <param name="isCut">Whether only the first word of what it was answered is known.</param>
    public void Add(RecordedRequest request, ReplayAnswer? was, ReplayAnswer? now, bool isCut)
    {
        if (was is not { } before || now is not { } after)
        {
            WithoutHost++;
            return;
        }

        Requests++;

        // Requests that run at the same time end in any order.
        From = From is { } from && from <= request.Time ? from : request.Time;
        To = To is { } to && to >= request.Time ? to : request.Time;
        if ((after.Failure ?? before.Failure) is { } failure)
        {
            Failed++;
            FirstFailure ??= failure;
        }

        if (!AreSame(before.Action, after.Action, isCut))
        {
            Different++;
            Add(new ReplayExample(request, before, after));
        }
    }

    private static bool AreSame(string? was, string? now, bool isCut) =>
        isCut && was is not null && now is not null ? ReplayKind.WordOf(was) == ReplayKind.WordOf(now) : was == now;

    private void Add(ReplayExample example)
    {
        var kinds = (ReplayKind.Of(example.Was), ReplayKind.Of(example.Now));
        if (!_differences.TryGetValue(kinds, out var difference) && _differences.Count < MostDifferences)
        {
            _differences.Add(kinds, difference = new ReplayDifference(kinds.Item1, kinds.Item2));
        }

        if (difference is not null)
        {
            difference.Requests++;
            if (difference.Examples.Count < MostExamples)
            {
                difference.Examples.Add(example);
            }
        }

        var sender = example.Request.Request.Sender;
        if (_senders.TryGetValue(sender, out var count) || _senders.Count < MostSenders)
        {
            _senders[sender] = count + 1;
        }
    }
}
