using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Policyd.Plugins.Memcached;

namespace Policyd.Plugins.Expiring;

/// <summary>
/// In memcached, under <c>policyd-expiring:KEY</c> as a decimal number: shared by all servers on it, and gone by itself; also when memcached is
/// restarted, or needs the memory.
/// </summary>
internal sealed class MemcachedExpiringStore(MemcachedClient client) : IExpiringStore
{
    private const string Prefix = "policyd-expiring:";

    public async ValueTask<long?> FindAsync(string key, CancellationToken ct) =>
        await client.GetAsync(Prefix + key, ct).ConfigureAwait(false) is { } text
            ? Utf8Parser.TryParse(text, out long value, out var read) && read == text.Length ? value : throw new MemcachedException("what stands in memcached for a ticket is no number")
            : null;

    public async ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        await client.AddAsync(Prefix + key, Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture)), life, ct).ConfigureAwait(false);

    public async ValueTask RemoveAsync(string key, CancellationToken ct) => await client.DeleteAsync(Prefix + key, ct).ConfigureAwait(false);

    public ValueTask PurgeAsync(CancellationToken ct) => ValueTask.CompletedTask;
}
