using System.Diagnostics.Metrics;
using Policyd.Plugins.Dns;

namespace Policyd.Backends.Dns;

// What the resolver counts, under the server's meter "Policyd".
internal sealed class DnsMeter : IDisposable
{
    private readonly Meter _meter = new("Policyd");
    private long _lookups;
    private long _hits;
    private long _joined;
    private long _timeOuts;
    private long _failures;
    private long _suppressed;

    public DnsMeter(Func<int> cached, Func<int> silentZones, DnsLeftOut leftOut)
    {
        _meter.CreateObservableCounter("policyd.dns.lookups", () => Lookups, "{lookup}", "Queries that were sent.");
        _meter.CreateObservableCounter("policyd.dns.hits", () => Hits, "{lookup}", "Queries answered from the cache.");
        _meter.CreateObservableCounter(
            "policyd.dns.joined", () => Volatile.Read(ref _joined), "{lookup}", "Queries that joined an identical query in progress.");
        _meter.CreateObservableCounter("policyd.dns.timeouts", () => Volatile.Read(ref _timeOuts), "{lookup}", "Lookups that timed out.");
        _meter.CreateObservableCounter(
            "policyd.dns.failures", () => Volatile.Read(ref _failures), "{lookup}", "Lookups that the servers could not answer.");
        _meter.CreateObservableCounter(
            "policyd.dns.suppressed", () => Suppressed, "{lookup}", "Queries not sent because their zone does not answer.");
        _meter.CreateObservableCounter(
            "policyd.dns.left_out",
            leftOut.Measure,
            "{lookup}",
            "Lookups skipped because a limit was reached, by kind of name and by limit.");
        _meter.CreateObservableUpDownCounter("policyd.dns.cached", cached, "{answer}", "Answers in the cache.");
        _meter.CreateObservableUpDownCounter("policyd.dns.silent_zones", silentZones, "{zone}", "Zones that do not answer.");
    }

    public long Lookups => Volatile.Read(ref _lookups);

    public long Hits => Volatile.Read(ref _hits);

    public long Suppressed => Volatile.Read(ref _suppressed);

    public void Hit() => Interlocked.Increment(ref _hits);

    public void Join() => Interlocked.Increment(ref _joined);

    public void Send() => Interlocked.Increment(ref _lookups);

    public void Suppress() => Interlocked.Increment(ref _suppressed);

    public void Learn(DnsStatus status)
    {
        if (status is DnsStatus.TimedOut)
        {
            Interlocked.Increment(ref _timeOuts);
        }
        else if (status is DnsStatus.ServerFailure)
        {
            Interlocked.Increment(ref _failures);
        }
    }

    public void Dispose() => _meter.Dispose();
}
