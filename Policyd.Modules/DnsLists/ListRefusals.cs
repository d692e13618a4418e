using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Policyd.Plugins.Api;
using Policyd.Plugins.Metrics;

namespace Policyd.Modules.DnsLists;

// The answers by which lists refuse to be asked: counted for each list, and one of them an hour is worth a line in the log, however many
// plugins ask that list. Lists come from the configuration alone, so there are few.
internal sealed class ListRefusals(TimeProvider clock) : IAsyncDisposable, IOutlivesReload
{
    private static readonly Counter<long> s_refusals = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.dns.list_refusals", "{answer}", "Answers by which a DNS list refuses a query.");

    private static readonly TimeSpan s_betweenWarnings = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, List> _lists = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Counts a refusal.</summary>
    /// <param name="list">The list as it may be shown.</param>
    public static void Count(string list) => s_refusals.Add(1, new KeyValuePair<string, object?>("zone", list));

    /// <summary>Whether the list's answers are to be logged now.</summary>
    /// <param name="list">The list as it may be shown.</param>
    public bool Warns(string list)
    {
        var one = _lists.GetOrAdd(list, static _ => new List());
        lock (one)
        {
            if (one.Warned is { } before && clock.GetElapsedTime(before) < s_betweenWarnings)
            {
                return false;
            }

            one.Warned = clock.GetTimestamp();
            return true;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class List
    {
        public long? Warned { get; set; }
    }
}
