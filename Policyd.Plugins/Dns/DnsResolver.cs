using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Dns;

/// <summary>
/// The resolver of a server. One lock decides for each question whether it is in the cache, already under way, or to be sent; what waits
/// is a task outside of it. A lookup under way belongs to nobody: it ends by its own deadline, whoever has stopped waiting for it.
/// </summary>
internal sealed class DnsResolver : IDnsResolver, IAsyncDisposable
{
    // Each lookup has a socket for each try: a flood of names must not use up the descriptors of the server.
    private const int MostLookups = 1024;
    private const int MostZones = 1024;
    private static readonly TimeSpan s_longestNegative = TimeSpan.FromHours(3);

    private readonly Lock _lock = new();
    private readonly Dictionary<DnsKey, Task<DnsAnswer>> _underWay = [];
    private readonly Dictionary<string, DnsBreaker> _zones = new(StringComparer.OrdinalIgnoreCase);
    private readonly CancellationTokenSource _stopping = new();
    private readonly DnsOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly DnsServer[] _servers;
    private readonly DnsCache _cache;

    public DnsResolver(DnsOptions options, TimeProvider clock, ILogger logger)
    {
        _options = options;
        _clock = clock;
        _logger = logger;
        _servers = [.. options.Endpoints().Select(endpoint => new DnsServer(endpoint, clock))];
        _cache = new DnsCache(options.CacheSize, clock);
        Meter = new DnsMeter(() => Locked(() => _cache.Count), () => Locked(() => _zones.Values.Count(static zone => zone.IsOpen)));
    }

    public DnsMeter Meter { get; }

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct) => ResolveAsync(name, type, null, ct);

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, string? zone, CancellationToken ct)
    {
        if (!DnsName.TryNormalize(name, out var normal))
        {
            return new ValueTask<DnsAnswer>(DnsReply.NoSuchName);
        }

        var key = new DnsKey(normal, type);
        Task<DnsAnswer>? waiting;
        lock (_lock)
        {
            if (_cache.Find(key) is { } kept)
            {
                Meter.Hit();
                return new ValueTask<DnsAnswer>(kept);
            }

            if (_underWay.TryGetValue(key, out waiting))
            {
                Meter.Join();
            }
        }

        waiting ??= Start(key, zone);
        return new ValueTask<DnsAnswer>(waiting.IsCompleted ? waiting : waiting.WaitAsync(ct));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task[] left;
        lock (_lock)
        {
            left = [.. _underWay.Values];
        }

        await Task.WhenAll(left).ConfigureAwait(false);
        Meter.Dispose();
        _stopping.Dispose();
    }

    private Task<DnsAnswer> Start(DnsKey key, string? zone)
    {
        var answer = new TaskCompletionSource<DnsAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        DnsBreaker? breaker;
        lock (_lock)
        {
            // Another may have been faster since the first look.
            if (_cache.Find(key) is { } kept)
            {
                return Task.FromResult(kept);
            }

            if (_underWay.TryGetValue(key, out var other))
            {
                return other;
            }

            breaker = Breaker(zone);
            if (_stopping.IsCancellationRequested || breaker?.Admits() == false)
            {
                Meter.Suppress();
                return Task.FromResult(DnsReply.TimedOut);
            }

            if (_underWay.Count >= MostLookups)
            {
                Meter.Learn(DnsStatus.ServerFailure);
                return Task.FromResult(DnsReply.ServerFailure);
            }

            _underWay.Add(key, answer.Task);
        }

        Meter.Send();
        _ = LookUpAsync(key, breaker, answer);
        return answer.Task;
    }

    private DnsBreaker? Breaker(string? zone)
    {
        if (zone is null)
        {
            return null;
        }

        if (!_zones.TryGetValue(zone, out var breaker) && _zones.Count < MostZones)
        {
            _zones.Add(zone, breaker = new DnsBreaker(zone, _clock, _logger));
        }

        return breaker;
    }

    private async Task LookUpAsync(DnsKey key, DnsBreaker? breaker, TaskCompletionSource<DnsAnswer> answer)
    {
        DnsReply reply;
        try
        {
            reply = await AskServersAsync(key).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Nothing is expected here. Whoever waits must have an answer all the same.
            _logger.LogError(e, "dns: the lookup of {Name} failed", key.Name);
            reply = DnsReply.Failure;
        }

        lock (_lock)
        {
            _underWay.Remove(key);
            if (!_stopping.IsCancellationRequested)
            {
                breaker?.Learn(reply.Answer.Status);
                _cache.Keep(key, reply.Answer, KeptFor(reply));
            }
        }

        Meter.Learn(reply.Answer.Status);
        answer.SetResult(reply.Answer);
    }

    // Never less than the time of a lookup: what a chain has asked at its beginning must still be there when its last plugin asks.
    private TimeSpan KeptFor(DnsReply reply)
    {
        if (reply.Answer.IsTemporaryFailure)
        {
            return _options.FailureTtl;
        }

        var longest = reply.Answer.Status == DnsStatus.Found || _options.MaxTtl < s_longestNegative ? _options.MaxTtl : s_longestNegative;
        var kept = reply.TimeToLive < longest ? reply.TimeToLive : longest;
        return kept > _options.Timeout ? kept : _options.Timeout;
    }

    // Each try has its share of the time before the next one begins, but its answer is welcome until the end: a slow server is no dead one.
    private async Task<DnsReply> AskServersAsync(DnsKey key)
    {
        using var deadline = new CancellationTokenSource(_options.Timeout, _clock);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token);
        var servers = _servers.OrderBy(static server => server.IsSilent).ToArray();
        var tries = servers.Length * (_options.Retries + 1);
        var asked = new List<Task<DnsReply?>>(tries);
        var failed = false;
        try
        {
            for (var number = 0; number < tries && !ending.IsCancellationRequested; number++)
            {
                var server = servers[number % servers.Length];
                var newest = server.AskAsync(key, ending.Token);
                asked.Add(newest);
                using var turn = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                var wait = Task.Delay(number + 1 < tries ? _options.Timeout / tries : Timeout.InfiniteTimeSpan, _clock, turn.Token);
                while (asked.Count > 0)
                {
                    var ended = await Task.WhenAny(asked.Append<Task>(wait)).ConfigureAwait(false);
                    if (ended == wait)
                    {
                        server.WasSilent();
                        break;
                    }

                    var one = (Task<DnsReply?>)ended;
                    asked.Remove(one);
                    var reply = await one.ConfigureAwait(false);
                    if (reply is { Answer.IsTemporaryFailure: false })
                    {
                        await turn.CancelAsync().ConfigureAwait(false);
                        return reply;
                    }

                    failed |= reply is not null;
                    if (one == newest && number + 1 < tries)
                    {
                        break;
                    }
                }

                await turn.CancelAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(asked).ConfigureAwait(false);
        }

        return failed ? DnsReply.Failure : new DnsReply(DnsReply.TimedOut, TimeSpan.Zero);
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_lock)
        {
            return read();
        }
    }
}
