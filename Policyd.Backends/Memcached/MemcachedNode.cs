using System.Diagnostics;
using System.Net.Sockets;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Backends.Memcached;

/// <summary>
/// One server: its connection, made when it is needed. While the server is away its callers fail at once; after a pause one of them
/// tries again, and waits for it alone.
/// </summary>
internal sealed class MemcachedNode(
    PolicyEndpoint endpoint, MemcachedConnectionOptions options, ConnectionSetup setup)
{
    private readonly Lock _lock = new();
    private readonly BackOff _backOff = new(setup.Clock);
    private readonly SourceLog _log = new($"connection {setup.Name}: memcached {endpoint}", setup.Clock);
    private MemcachedLink? _link;
    private Task<MemcachedLink>? _connecting;
    private bool _isAway;
    private bool _isDisposed;

    /// <exception cref="CacheException">The server is away, or does not answer as it should.</exception>
    /// <exception cref="OperationCanceledException">The caller's time is over.</exception>
    public async ValueTask<MemcachedReply> AskAsync(MemcachedCommand command, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            var link = await Link().WaitAsync(ct).ConfigureAwait(false);
            try
            {
                var reply = await link.SendAsync(command).WaitAsync(options.Timeout, setup.Clock, ct).ConfigureAwait(false);
                _log.Back(setup.Logger);
                SourceMetrics.Answered("memcached", setup.Name, since);
                return reply;
            }
            catch (TimeoutException exception)
            {
                // Answers come in order: whoever waits behind this one waits in vain too.
                var late = new CacheException(Waited.TimedOut(options.Timeout), exception);
                link.Break(late);
                throw late;
            }
        }
        catch (CacheException)
        {
            SourceMetrics.Failed("memcached", setup.Name);
            throw;
        }
    }

    public void Dispose()
    {
        MemcachedLink? link;
        lock (_lock)
        {
            _isDisposed = true;
            link = _link;
        }

        link?.Break(new CacheException("the connection is closed"));
    }

    private Task<MemcachedLink> Link()
    {
        lock (_lock)
        {
            if (_link is { IsBroken: false } link)
            {
                return Task.FromResult(link);
            }

            if (_connecting is { } connecting && !_isAway)
            {
                return connecting;
            }

            var attempt = _isDisposed || _connecting is not null ? default : _backOff.Enter();
            if (attempt.IsRefused)
            {
                _log.Away(setup.Logger, null);
                SourceMetrics.Suppressed("memcached", setup.Name);
                throw new CacheException($"memcached {endpoint} is unavailable");
            }

            return _connecting = ConnectAsync(attempt);
        }
    }

    private async Task<MemcachedLink> ConnectAsync(BackOff.Attempt begun)
    {
        using var attempt = begun;

        // The lock is the caller's; whatever comes at once must not be seen before it is left.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        using var limit = new CancellationTokenSource(options.ConnectTimeout, setup.Clock);
        try
        {
            var link = await MemcachedLink.OpenAsync(endpoint, options.Timeout, setup.Clock, Broken, limit.Token)
                .ConfigureAwait(false);
            return Connected(link, attempt);
        }
        catch (Exception exception) when (exception is SocketException or IOException or CacheException or OperationCanceledException)
        {
            var message = exception is OperationCanceledException
                ? $"connecting {Waited.TimedOut(options.ConnectTimeout)}"
                : exception.Message;
            Failed(attempt, message, connecting: true);
            throw new CacheException(message, exception);
        }
    }

    private MemcachedLink Connected(MemcachedLink link, BackOff.Attempt attempt)
    {
        bool isDisposed;
        lock (_lock)
        {
            if (link.IsBroken)
            {
                throw new CacheException("the server closed the new connection");
            }

            (_link, _connecting, _isAway) = (link, null, false);
            isDisposed = _isDisposed;
        }

        if (isDisposed)
        {
            link.Break(new CacheException("the connection is closed"));
        }
        else
        {
            attempt.Succeeded();
        }

        return link;
    }

    private void Broken(MemcachedLink link, CacheException why, bool isFault)
    {
        // A server that was restarted while nobody asked is not away: the next command connects. What fails while connecting is told there.
        bool isOurs;
        lock (_lock)
        {
            isOurs = ReferenceEquals(_link, link) && !_isDisposed;
            _link = isOurs ? null : _link;
        }

        if (isOurs && isFault)
        {
            using var attempt = _backOff.Enter();
            Failed(attempt, why.Message, connecting: false);
        }
    }

    private void Failed(BackOff.Attempt attempt, string message, bool connecting)
    {
        lock (_lock)
        {
            _isAway = true;
            _connecting = connecting ? null : _connecting;
        }

        attempt.Failed();
        _log.Away(setup.Logger, message);
    }
}
