using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Logging;

namespace Policyd.Backends.Memcached;

/// <summary>
/// The servers of a connection, as its users ask them. A key's server is always the same; while that one is away its keys are, and
/// those of the others are not.
/// </summary>
internal sealed class MemcachedClient : IValueCache, IAsyncDisposable
{
    // Past it memcached takes the number for a time of day, in seconds since 1970.
    private const long LongestRelativeSeconds = 60L * 60 * 24 * 30;

    private readonly MemcachedConnectionOptions _options;
    private readonly ConnectionSetup _setup;
    private readonly MemcachedNode[] _nodes;
    private readonly ulong[] _hashes;

    public MemcachedClient(MemcachedConnectionOptions options, ConnectionSetup setup)
    {
        (_options, _setup) = (options, setup);
        _nodes = [.. options.Endpoints.Select(endpoint => new MemcachedNode(endpoint, options, setup))];
        _hashes = [.. options.Endpoints.Select(endpoint => MemcachedKeys.Hash(endpoint.ToString()))];
    }

    /// <summary>The value of a key; null when there is none.</summary>
    public async ValueTask<byte[]?> GetAsync(string key, CancellationToken ct) =>
        await AskAsync("mg", key, "v", null, ct).ConfigureAwait(false) is var reply && reply.Code == "VA" ? reply.Value
            : reply.Code == "EN" ? null : throw Unexpected(reply);

    /// <summary>Sets a value for a time.</summary>
    public async ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct)
    {
        var reply = await AskAsync("ms", key, $"T{Seconds(life)}", value, ct).ConfigureAwait(false);
        _ = reply.Code == "HD" ? true : throw Unexpected(reply);
    }

    /// <summary>Sets a value where there is none.</summary>
    /// <returns>Whether there was none.</returns>
    public async ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct)
    {
        var reply = await AskAsync("ms", key, $"ME T{Seconds(life)}", value, ct).ConfigureAwait(false);
        return reply.Code == "HD" || (reply.Code == "NS" ? false : throw Unexpected(reply));
    }

    /// <summary>Forgets a key.</summary>
    /// <returns>Whether it was there.</returns>
    public async ValueTask<bool> DeleteAsync(string key, CancellationToken ct)
    {
        var reply = await AskAsync("md", key, "", null, ct).ConfigureAwait(false);
        return reply.Code == "HD" || (reply.Code == "NF" ? false : throw Unexpected(reply));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            node.Dispose();
        }

        return ValueTask.CompletedTask;
    }

    private static CacheException Unexpected(in MemcachedReply reply) => new($"the server sent the unexpected answer {reply.Code}");

    private async ValueTask<MemcachedReply> AskAsync(
        string verb, string key, string flags, ReadOnlyMemory<byte>? value, CancellationToken ct)
    {
        if (value?.Length > MemcachedWire.MaxValueBytes)
        {
            throw new CacheException(
                $"a value of {value.Value.Length} bytes is larger than memcached's maximum of {MemcachedWire.MaxValueBytes}");
        }

        var wire = MemcachedKeys.ToWire(_options.Namespace + key);
        var reply = await _nodes[MemcachedKeys.ServerOf(_hashes, wire)].AskAsync(new MemcachedCommand(verb, wire, flags, value), ct)
            .ConfigureAwait(false);
        if (_options.Debug)
        {
            ChainLog.Write(_setup.Logger, LogLevel.Information, $"connection {_setup.Name}: {verb} {wire}: {reply.Code}");
        }

        return reply;
    }

    private string Seconds(TimeSpan life)
    {
        var seconds = Math.Max(1, (long)Math.Ceiling(life.TotalSeconds));
        return (seconds > LongestRelativeSeconds ? _setup.Clock.GetUtcNow().ToUnixTimeSeconds() + seconds : seconds).ToString(
            CultureInfo.InvariantCulture);
    }
}
