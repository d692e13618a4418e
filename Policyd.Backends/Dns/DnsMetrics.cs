using System.Diagnostics.Metrics;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Metrics;

namespace Policyd.Backends.Dns;

/// <summary>What operators can watch of the resolver. A zone is one of the configured lists; all other names are <c>other</c>.</summary>
internal static class DnsMetrics
{
    private const string OtherNames = "other";

    private static readonly Histogram<double> s_duration = PolicydMeter.Times(
        "policyd.dns.lookup.duration", "The time of a lookup that was sent, by configured zone and outcome.");

    private static readonly Counter<long> s_hits = Count("policyd.dns.cache_hits", "Lookups answered from the cache.");
    private static readonly Counter<long> s_joined = Count("policyd.dns.joined", "Lookups that joined an identical one in progress.");
    private static readonly Counter<long> s_suppressed = Count(
        "policyd.dns.suppressed", "Lookups not sent because their zone does not answer.");

    private static readonly Counter<long> s_leftOut = Count(
        "policyd.dns.left_out", "Lookups skipped because a limit was reached, by kind of name and by limit.");

    public static void Hit() => s_hits.Add(1);

    public static void Join() => s_joined.Add(1);

    public static void Suppress(string? zone) => s_suppressed.Add(1, new KeyValuePair<string, object?>("zone", zone ?? OtherNames));

    public static void LeftOut(string names, string bound) => s_leftOut.Add(1, new("names", names), new("bound", bound));

    public static void Learn(string? zone, DnsStatus status, TimeSpan elapsed)
    {
        if (s_duration.Enabled)
        {
            s_duration.Record(elapsed.TotalSeconds, new("zone", zone ?? OtherNames), new("outcome", Word(status)));
        }
    }

    private static string Word(DnsStatus status) => status switch
    {
        DnsStatus.Found => "found",
        DnsStatus.NoData or DnsStatus.NoSuchName => "nothing",
        DnsStatus.ServerFailure => "failure",
        _ => "timeout",
    };

    private static Counter<long> Count(string name, string description) =>
        PolicydMeter.Shared.CreateCounter<long>(name, "{lookup}", description);
}
