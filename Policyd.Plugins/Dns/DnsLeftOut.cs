using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Dns;

// Lookups that were not sent for want of a slot, by kind of names and by what was used up: each is counted, and the log has a line every ten seconds, for
// a list that is not asked lets spam in, and nobody would know why.
internal sealed class DnsLeftOut(TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan s_betweenLines = TimeSpan.FromSeconds(10);
    private static readonly Action<ILogger, string, string, string, long, Exception?> s_line = LoggerMessage.Define<string, string, string, long>(
        LogLevel.Warning, new EventId(3, "LookupLeftOut"), "dns: a lookup for {Kind} under {Zone} was left out, since {Bound}; so were {Count} more since the last such line");

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Kind, DnsBound Bound), Row> _rows = [];

    public long Total
    {
        get
        {
            lock (_lock)
            {
                return _rows.Values.Sum(static row => row.Count);
            }
        }
    }

    public void Count(string kind, DnsBound bound, string zone)
    {
        long unsaid;
        lock (_lock)
        {
            if (!_rows.TryGetValue((kind, bound), out var row))
            {
                _rows.Add((kind, bound), row = new Row());
            }

            row.Count++;
            if (row.Said is { } said && clock.GetElapsedTime(said) < s_betweenLines)
            {
                row.Unsaid++;
                return;
            }

            (row.Said, unsaid, row.Unsaid) = (clock.GetTimestamp(), row.Unsaid, 0);
        }

        s_line(logger, kind, zone, Words(bound), unsaid, null);
    }

    public IReadOnlyList<Measurement<long>> Measure()
    {
        lock (_lock)
        {
            return [.. _rows.Select(static row => new Measurement<long>(
                row.Value.Count, new KeyValuePair<string, object?>("names", row.Key.Kind), new KeyValuePair<string, object?>("bound", row.Key.Bound.ToString().ToLowerInvariant())))];
        }
    }

    private static string Words(DnsBound bound) => bound switch
    {
        DnsBound.All => "too many are under way",
        DnsBound.Zone => "too many of this zone are under way",
        _ => "its request has asked too much",
    };

    private sealed class Row
    {
        public long Count { get; set; }

        public long Unsaid { get; set; }

        public long? Said { get; set; }
    }
}
