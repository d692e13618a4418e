using System.Buffers.Text;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;

namespace Policyd.Backends.Expiring;

/// <summary>
/// The auto-whitelist in a cache that counts, Redis: a number for each pair, which goes by itself when the pair has not been seen for so
/// long.
/// </summary>
internal sealed class CacheAutoWhitelist(ICountingCache cache, string prefix, TimeSpan expiry) : IAutoWhitelist
{
    public async ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct) =>
        await cache.GetAsync(Key(domain, client), ct).ConfigureAwait(false) is { } value
            && Utf8Parser.TryParse(value, out long count, out _)
            && count >= threshold;

    public async ValueTask CountAsync(string domain, string client, CancellationToken ct) =>
        await cache.CountAsync(Key(domain, client), expiry, ct).ConfigureAwait(false);

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    private string Key(string domain, string client) => $"{prefix}{domain},{client}";
}
