using System.Diagnostics;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sources;
using StackExchange.Redis;

namespace Policyd.Backends.Redis;

/// <summary>
/// A connection with <c>module = Redis</c>. StackExchange.Redis keeps it open, and finds the master again through the sentinels; we add
/// that nobody waits for a server that is known to be away.
/// </summary>
internal sealed class RedisClient(RedisConnectionOptions options, ConnectionSetup setup)
    : ICountingCache, IAsyncDisposable
{
    // As for memcached: an answer takes less than a millisecond, and a mail does not wait for one that does not come.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(1);

    private readonly BackOff _backOff = new(setup.Clock);
    private readonly SourceLog _log = new($"connection {setup.Name}: redis {options.Where}", setup.Clock);
    private readonly SemaphoreSlim _connecting = new(1);
    private ConnectionMultiplexer? _connection;

    // GETRANGE, not GET: what another program has put under the key may have any size. To it an absent key is an empty value; the question
    // which of them it is goes with it.
    public async ValueTask<byte[]?> GetAsync(string key, CancellationToken ct)
    {
        var value = await AskAsync(
            async redis =>
            {
                var exists = redis.KeyExistsAsync(key);
                var start = redis.StringGetRangeAsync(key, 0, RedisReplyBound.MaxValueBytes);
                await Task.WhenAll(exists, start).ConfigureAwait(false);
                return await exists.ConfigureAwait(false) ? (byte[]?)await start.ConfigureAwait(false) : null;
            },
            ct).ConfigureAwait(false);
        return value is null ? null : Bounded(value);
    }

    public async ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct) =>
        await AskAsync(redis => redis.StringSetAsync(key, Bounded(value), AtLeastASecond(life)), ct).ConfigureAwait(false);

    public ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct) =>
        AskAsync(redis => redis.StringSetAsync(key, Bounded(value), AtLeastASecond(life), When.NotExists), ct);

    public ValueTask<bool> DeleteAsync(string key, CancellationToken ct) => AskAsync(redis => redis.KeyDeleteAsync(key), ct);

    /// <summary>Adds one to a number and gives it its full life again, in one step; answers the new number.</summary>
    /// <exception cref="CacheException">The server is away, or something else than a number is there.</exception>
    public ValueTask<long> CountAsync(string key, TimeSpan life, CancellationToken ct) => AskAsync(
        async redis => (long)await redis.ScriptEvaluateAsync(
            "local n = redis.call('INCR', KEYS[1]) redis.call('EXPIRE', KEYS[1], ARGV[1]) return n",
            [key],
            [(long)AtLeastASecond(life).TotalSeconds]).ConfigureAwait(false),
        ct);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }

        _connecting.Dispose();
    }

    private static byte[] Bounded(byte[] value) => value.Length <= RedisReplyBound.MaxValueBytes ? value : throw TooLarge();

    private static ReadOnlyMemory<byte> Bounded(ReadOnlyMemory<byte> value) =>
        value.Length <= RedisReplyBound.MaxValueBytes ? value : throw TooLarge();

    private static CacheException TooLarge() => new($"the value is larger than the maximum of {RedisReplyBound.MaxValueBytes} bytes");

    private static TimeSpan AtLeastASecond(TimeSpan life) => life < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : life;

    private async ValueTask<T> AskAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            var answer = await AnswerAsync(operation, ct).ConfigureAwait(false);
            SourceMetrics.Answered("redis", setup.Name, since);
            return answer;
        }
        catch (CacheException)
        {
            SourceMetrics.Failed("redis", setup.Name);
            throw;
        }
    }

    private async ValueTask<T> AnswerAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken ct)
    {
        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            _log.Away(setup.Logger, null);
            SourceMetrics.Suppressed("redis", setup.Name);
            throw new CacheException($"redis {options.Where} is unavailable");
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(s_timeout);
        try
        {
            var connection = await ConnectionAsync(timeout.Token).ConfigureAwait(false);
            var answer = await operation(connection.GetDatabase()).WaitAsync(timeout.Token).ConfigureAwait(false);
            attempt.Succeeded();
            _log.Back(setup.Logger);
            return answer;
        }
        catch (RedisServerException exception)
        {
            // It answers, only not this: the others' keys are as good as ever.
            attempt.Succeeded();
            throw new CacheException($"redis {options.Where}: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException
            || (exception is OperationCanceledException && !ct.IsCancellationRequested))
        {
            // The library's messages go on with its own state for pages.
            var message = exception is RedisException ? ShortMessage(exception) : Waited.TimedOut(s_timeout);
            attempt.Failed();
            _log.Away(setup.Logger, message);
            throw new CacheException($"redis {options.Where}: {message}", exception);
        }
    }

    internal static string ShortMessage(Exception exception)
    {
        var sentence = exception.Message.Split(["; ", ". ", ", mc:", " (Please"], StringSplitOptions.None)[0];
        return exception is RedisConnectionException ? sentence.Split(", ", 2)[0] : sentence;
    }

    private async ValueTask<ConnectionMultiplexer> ConnectionAsync(CancellationToken ct)
    {
        if (Volatile.Read(ref _connection) is { } open)
        {
            return open;
        }

        await _connecting.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (_connection is null)
            {
                // Not WaitAsync alone: a connection that is made after all must not be left open and forgotten.
                var connecting = ConnectionMultiplexer.ConnectAsync(options.ToConfiguration());
                try
                {
                    var connection = await connecting.WaitAsync(ct).ConfigureAwait(false);

                    // The library connects again by itself. Who waited out our pause then would miss a server that is long back.
                    connection.ConnectionRestored += (_, _) => _backOff.Reset();
                    Volatile.Write(ref _connection, connection);
                }
                catch (OperationCanceledException)
                {
                    _ = connecting.ContinueWith(
                        static late => { if (late.IsCompletedSuccessfully) { late.Result.Dispose(); } else { _ = late.Exception; } },
                        TaskScheduler.Default);
                    throw;
                }
            }

            return _connection;
        }
        finally
        {
            _connecting.Release();
        }
    }
}
