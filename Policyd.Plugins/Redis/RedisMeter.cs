using System.Diagnostics.Metrics;

namespace Policyd.Plugins.Redis;

// What the Redis connections count, under the server's meter "Policyd".
internal static class RedisMeter
{
    private static readonly Meter s_meter = new("Policyd");

    public static Counter<long> Commands { get; } = s_meter.CreateCounter<long>("policyd.redis.commands", "{command}", "Commands for Redis servers.");

    public static Counter<long> Failures { get; } = s_meter.CreateCounter<long>("policyd.redis.failures", "{command}", "Commands that failed, or were not sent since their server is away.");
}
