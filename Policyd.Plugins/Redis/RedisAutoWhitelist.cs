using System.Buffers.Text;
using Policyd.Plugins.Expiring;

namespace Policyd.Plugins.Redis;

/// <summary>The auto-whitelist in Redis: a number for each pair, which goes by itself when the pair has not been seen for so long.</summary>
internal sealed class RedisAutoWhitelist(RedisClient redis, string prefix, TimeSpan expiry) : IAutoWhitelist
{
    public async ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct) =>
        await redis.GetAsync(Key(domain, client), ct).ConfigureAwait(false) is { } value && Utf8Parser.TryParse(value, out long count, out _) && count >= threshold;

    public async ValueTask CountAsync(string domain, string client, CancellationToken ct) => await redis.CountAsync(Key(domain, client), expiry, ct).ConfigureAwait(false);

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    private string Key(string domain, string client) => $"{prefix}{domain},{client}";
}
