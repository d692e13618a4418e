using Policyd.Engine.Replaying;

namespace Policyd.Server.Replaying;

/// <summary>
/// Runs recorded requests one after the other, in the order of the file and at their own times. Where a lookup takes time, the next ones of
/// the same second go on beside it, as they did in the server; but never two of one mail, and never two that may see the same counter,
/// ticket or trap: which of them comes first would hang on the faster lookup, and be another in each configuration and each replay.
/// </summary>
/// <param name="tried">What is tried.</param>
/// <param name="against">What it is held against; null: the recorded answers.</param>
/// <param name="clock">The time of both.</param>
internal sealed class Replay(ReplayedServer tried, ReplayedServer? against, ReplayClock clock)
{
    // Each of the two configurations may open as many connections to a database, which also serves the running server.
    private const int MostAtOnce = 32;
    private static readonly TimeSpan s_atOnce = TimeSpan.FromSeconds(1);
    private readonly Dictionary<string, Task> _running = new(StringComparer.Ordinal);
    private readonly MeetingMails _mails = new(MeetBy(tried, against));
    private readonly Lock _lock = new();
    private DateTimeOffset _since;

    /// <summary>What came out; complete when <see cref="RunAsync"/> has ended.</summary>
    public ReplayFindings Findings { get; } = new();

    public async Task RunAsync(IAsyncEnumerable<RecordedRequest> requests, CancellationToken ct)
    {
        await foreach (var request in requests.WithCancellation(ct))
        {
            var mail = request.Request.Instance is { Length: > 0 } instance ? instance : $"\0{_running.Count}";
            if (_running.Count >= MostAtOnce
                || _running.ContainsKey(mail)
                || (_running.Count > 0 && (request.Time - _since > s_atOnce || _mails.MayMeet(request.Request))))
            {
                await EndAsync();
            }

            _since = _running.Count == 0 ? request.Time : _since;
            clock.MoveTo(request.Time);
            var running = TryAsync(request);
            if (!running.IsCompletedSuccessfully)
            {
                _running.Add(mail, running);
                _mails.Add(request.Request);
            }
        }

        await EndAsync();
    }

    private static IReadOnlyList<string>? MeetBy(ReplayedServer tried, ReplayedServer? against) =>
        tried.MeetBy is not { } one ? null
        : against is null ? one
        : against.MeetBy is not { } other ? null
        : [.. one.Union(other, StringComparer.Ordinal)];

    private async Task EndAsync()
    {
        await Task.WhenAll(_running.Values);
        _running.Clear();
        _mails.Clear();
    }

    private async Task TryAsync(RecordedRequest request)
    {
        var now = await tried.AskAsync(request);
        var was = against is null ? new ReplayAnswer(request.Action, request.Plugin, null) : await against.AskAsync(request);
        lock (_lock)
        {
            Findings.Add(request, was, now, isCut: against is null && request.IsCut);
        }
    }
}
