using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Backends.Dns;

// Lookups that were not sent for want of a slot, by kind of names and by what was used up: each is counted, and the log has a line every
// ten seconds. A list that is not asked lets spam in, and nobody would know why.
internal sealed class DnsLeftOut(TimeProvider clock, ILogger logger)
{
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

    /// <summary>How many of one kind met one limit.</summary>
    public long CountOf(string kind, DnsBound bound)
    {
        lock (_lock)
        {
            return _rows.TryGetValue((kind, bound), out var row) ? row.Count : 0;
        }
    }

    public void Count(string kind, DnsBound bound, string zone)
    {
        Row? row;
        lock (_lock)
        {
            if (!_rows.TryGetValue((kind, bound), out row))
            {
                _rows.Add((kind, bound), row = new Row(new LogThrottle(clock)));
            }

            row.Count++;
        }

        DnsMetrics.LeftOut(kind, bound.ToString().ToLowerInvariant());
        if (row.Log.Enter(out var unsaid))
        {
            DnsLog.LookupLeftOut(logger, kind, zone, Words(bound), unsaid);
        }
    }

    private static string Words(DnsBound bound) => bound switch
    {
        DnsBound.All => "too many lookups are in progress",
        DnsBound.Zone => "too many lookups of this zone are in progress",
        DnsBound.Client => "too many lookups of its client are in progress",
        _ => "its request has reached its limit of lookups",
    };

    private sealed class Row(LogThrottle log)
    {
        public LogThrottle Log { get; } = log;

        public long Count { get; set; }
    }
}
