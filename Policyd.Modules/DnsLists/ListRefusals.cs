using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Policyd.Plugins.Api;

namespace Policyd.Modules.DnsLists;

// The answers by which lists refuse to be asked: counted for each list, and one of them an hour is worth a line in the log, however many
// plugins ask that list. Lists come from the configuration alone, so there are few.
internal sealed class ListRefusals : IAsyncDisposable, IOutlivesReload
{
    private static readonly TimeSpan s_betweenWarnings = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, List> _lists = new(StringComparer.OrdinalIgnoreCase);
    private readonly TimeProvider _clock;
    private readonly Meter _meter = new("Policyd");
    private readonly Counter<long> _counter;

    public ListRefusals(TimeProvider clock)
    {
        _clock = clock;
        _counter = _meter.CreateCounter<long>("policyd.dns.list_refusals", "{answer}", "Answers by which a DNS list refuses a query.");
    }

    /// <summary>Counts a refusal.</summary>
    /// <param name="list">The list as it may be shown.</param>
    public void Count(string list) => _counter.Add(1, new KeyValuePair<string, object?>("list", list));

    /// <summary>Whether the list's answers are to be logged now.</summary>
    /// <param name="list">The list as it may be shown.</param>
    public bool Warns(string list)
    {
        var one = _lists.GetOrAdd(list, static _ => new List());
        lock (one)
        {
            if (one.Warned is { } before && _clock.GetElapsedTime(before) < s_betweenWarnings)
            {
                return false;
            }

            one.Warned = _clock.GetTimestamp();
            return true;
        }
    }

    public ValueTask DisposeAsync()
    {
        _meter.Dispose();
        return ValueTask.CompletedTask;
    }

    private sealed class List
    {
        public long? Warned { get; set; }
    }
}
