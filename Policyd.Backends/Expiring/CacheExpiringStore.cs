using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;

namespace Policyd.Backends.Expiring;

/// <summary>
/// In memcached or Redis, under <c>policyd-expiring:KEY</c> as a decimal number: shared by all servers on it, and gone by itself; from
/// memcached also when that is restarted, or needs the memory.
/// </summary>
internal sealed class CacheExpiringStore(IValueCache cache) : IExpiringStore
{
    private const string Prefix = "policyd-expiring:";

    public async ValueTask<long?> FindAsync(string key, CancellationToken ct) =>
        await cache.GetAsync(Prefix + key, ct).ConfigureAwait(false) is { } text
            ? Utf8Parser.TryParse(text, out long value, out var read) && read == text.Length
                ? value
                : throw new CacheException("the cached value of a ticket is not a number")
            : null;

    public async ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        await cache.AddAsync(Prefix + key, TextOf(value), life, ct).ConfigureAwait(false);

    public ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        cache.SetAsync(Prefix + key, TextOf(value), life, ct);

    public async ValueTask RemoveAsync(string key, CancellationToken ct) => await cache.DeleteAsync(Prefix + key, ct).ConfigureAwait(false);

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;

    private static byte[] TextOf(long value) => Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));
}
