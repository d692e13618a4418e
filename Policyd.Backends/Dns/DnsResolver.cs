using Microsoft.Extensions.Logging;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sources;

namespace Policyd.Backends.Dns;

/// <summary>
/// The resolver of a server. One lock decides for each question whether it is in the cache, already under way, or to be sent; what waits
/// is a task outside of it. A lookup under way belongs to nobody: it ends by its own deadline, whoever has stopped waiting for it.
/// </summary>
internal sealed class DnsResolver : IDnsResolver, IAsyncDisposable
{
    // Each lookup has a socket for each try: a flood of names must not use up the descriptors of the server.
    private const int MostOfLists = 1024;
    private const int MostOfList = 256;
    private const int MostOfStrangers = 1024;
    private const int MostOfStrangersZone = 128;
    private const int MostOfClient = 256;
    private const int MostZones = 1024;
    private static readonly TimeSpan s_longestNegative = TimeSpan.FromHours(3);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, DnsBreaker> _zones = new(StringComparer.OrdinalIgnoreCase);
    private readonly CancellationTokenSource _stopping = new();
    private readonly DnsOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly DnsServer[] _servers;
    private readonly DnsShare _lists;
    private readonly DnsShare _strangers;

    public DnsResolver(DnsOptions options, TimeProvider clock, ILogger logger)
    {
        _options = options;
        _clock = clock;
        _logger = logger;
        _servers = [.. options.Endpoints().Select(endpoint => new DnsServer(endpoint, clock))];
        _lists = new DnsShare("lists", MostOfLists, MostOfList, MostOfLists, new DnsCache(options.CacheSize, clock));
        _strangers = new DnsShare("strangers", MostOfStrangers, MostOfStrangersZone, MostOfClient, new DnsCache(options.CacheSize, clock));
        LeftOut = new DnsLeftOut(clock, logger);
    }

    public DnsStatistics Statistics { get; } = new();

    public DnsLeftOut LeftOut { get; }

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct) =>
        ResolveAsync(name, type, null, null, ct);

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, DnsBudget budget, CancellationToken ct) =>
        ResolveAsync(name, type, null, budget, ct);

    public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, string? zone, CancellationToken ct) =>
        ResolveAsync(name, type, zone, null, ct);

    private ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, string? zone, DnsBudget? budget, CancellationToken ct)
    {
        if (!DnsName.TryNormalize(name, out var normal))
        {
            return new ValueTask<DnsAnswer>(DnsReply.NoSuchName);
        }

        var key = new DnsKey(normal, type);
        var share = zone is null ? _strangers : _lists;
        Task<DnsAnswer>? waiting;
        lock (_lock)
        {
            if (share.Answers.Find(key) is { } kept)
            {
                DnsMetrics.Hit();
                return new ValueTask<DnsAnswer>(kept);
            }

            waiting = share.Find(key);
            if (waiting is not null)
            {
                DnsMetrics.Join();
            }
        }

        waiting ??= Start(new Lookup(key, share, zone, budget));
        return new ValueTask<DnsAnswer>(waiting.IsCompleted ? waiting : waiting.WaitAsync(ct));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task[] left;
        lock (_lock)
        {
            left = [.. _lists.UnderWay, .. _strangers.UnderWay];
        }

        await Task.WhenAll(left).ConfigureAwait(false);
        _stopping.Dispose();
    }

    private Task<DnsAnswer> Start(Lookup lookup)
    {
        var answer = new TaskCompletionSource<DnsAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        DnsBound? bound;
        DnsBreaker? breaker;
        BackOff.Attempt? attempt;
        lock (_lock)
        {
            // Another may have been faster since the first look.
            if (lookup.Share.Answers.Find(lookup.Key) is { } kept)
            {
                return Task.FromResult(kept);
            }

            if (lookup.Share.Find(lookup.Key) is { } other)
            {
                return other;
            }

            // A slot first: what the breaker lets through as its probe must be sent.
            bound = lookup.Share.Take(lookup.Key, lookup.Zone, lookup.Budget, answer.Task);
            breaker = Breaker(lookup.ListZone);
            attempt = bound is null ? breaker?.Enter() : null;
            if (bound is null && (_stopping.IsCancellationRequested || attempt is { IsRefused: true }))
            {
                attempt?.Dispose();
                lookup.Share.GiveBack(lookup.Key, lookup.Zone, lookup.Budget);
                Statistics.Suppress();
                DnsMetrics.Suppress(lookup.ListZone);
                return Task.FromResult(DnsReply.TimedOut);
            }
        }

        if (bound is { } used)
        {
            LeftOut.Count(lookup.Share.Kind, used, lookup.Zone);
            return Task.FromResult(DnsReply.ServerFailure);
        }

        Statistics.Send();
        _ = LookUpAsync(lookup, breaker, attempt, answer);
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

    private async Task LookUpAsync(Lookup lookup, DnsBreaker? breaker, BackOff.Attempt? attempt, TaskCompletionSource<DnsAnswer> answer)
    {
        var since = _clock.GetTimestamp();
        DnsReply reply;
        try
        {
            reply = await AskServersAsync(lookup.Key).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Nothing is expected here. Whoever waits must have an answer all the same. The name stays out of the log: a list's may have a
            // key in it.
            DnsLog.LookupFailed(_logger, lookup.Key.Type, e);
            reply = DnsReply.Failure;
        }

        lock (_lock)
        {
            lookup.Share.GiveBack(lookup.Key, lookup.Zone, lookup.Budget);
            if (!_stopping.IsCancellationRequested)
            {
                if (attempt is { } asked)
                {
                    breaker?.Learn(asked, reply.Answer.Status);
                }

                lookup.Share.Answers.Keep(lookup.Key, reply.Answer, KeptFor(reply));
            }
        }

        DnsMetrics.Learn(lookup.ListZone, reply.Answer.Status, _clock.GetElapsedTime(since));
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

    private sealed record Lookup(DnsKey Key, DnsShare Share, string? ListZone, DnsBudget? Budget)
    {
        /// <summary>What it counts under in its share.</summary>
        public string Zone { get; } = ListZone ?? DnsName.ZoneOf(Key.Name);
    }
}
