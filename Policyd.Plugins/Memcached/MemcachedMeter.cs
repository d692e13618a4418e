using System.Diagnostics.Metrics;

namespace Policyd.Plugins.Memcached;

// What the memcached connections count, under the server's meter "Policyd".
internal static class MemcachedMeter
{
    private static readonly Meter s_meter = new("Policyd");

    public static Counter<long> Commands { get; } = s_meter.CreateCounter<long>("policyd.memcached.commands", "{command}", "Commands for memcached servers.");

    public static Counter<long> Failures { get; } = s_meter.CreateCounter<long>("policyd.memcached.failures", "{command}", "Commands that failed, or were not sent since their server is away.");
}
