using System.Diagnostics.Metrics;

namespace Policyd.Backends.Caches;

// What the connections to cache servers count, under the server's meter "Policyd".
internal sealed class CacheMeter
{
    private static readonly Meter s_meter = new("Policyd");

    private CacheMeter(string name, string product)
    {
        Commands = s_meter.CreateCounter<long>($"policyd.{name}.commands", "{command}", $"Commands for {product} servers.");
        Failures = s_meter.CreateCounter<long>(
            $"policyd.{name}.failures", "{command}", "Commands that failed, or were not sent because their server is unavailable.");
    }

    public static CacheMeter Memcached { get; } = new("memcached", "memcached");

    public static CacheMeter Redis { get; } = new("redis", "Redis");

    public Counter<long> Commands { get; }

    public Counter<long> Failures { get; }
}
