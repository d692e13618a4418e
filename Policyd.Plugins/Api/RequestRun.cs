using Microsoft.Extensions.Logging;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>
/// What all plugins of one request share, those of nested chains included. The chain makes it, and each plugin sees it through its context.
/// </summary>
internal abstract class RequestRun(PolicyRequest request, Session session, string virtualHost, TimeProvider clock, ILogger logger)
{
    private readonly Lock _lock = new();
    private Session _session = session;
    private List<(CounterKey Key, CounterWindow Window)>? _reserved;
    private DateTimeOffset? _time;

    public PolicyRequest Request { get; } = request;

    public string VirtualHost { get; } = virtualHost;

    public TimeProvider Clock { get; } = clock;

    public ILogger Logger { get; } = logger;

    /// <summary>What the request may ask of the network; made when first asked for.</summary>
    public abstract DnsBudget Lookups { get; }

    /// <summary>Only the chain replaces it.</summary>
    public Session Session
    {
        get => Volatile.Read(ref _session);
        set => Volatile.Write(ref _session, value);
    }

    /// <summary>Local time, taken once: all plugins of a request count into the same month.</summary>
    public DateTimeOffset Time => _time ??= Clock.GetLocalNow();

    // A plugin that was given up may still write while the outcome is made: hence the lock and the copy.
    public IReadOnlyList<CounterKey>? Reserved
    {
        get
        {
            lock (_lock)
            {
                return _reserved is null or { Count: 0 } ? null : [.. _reserved.Select(static held => held.Key).Distinct()];
            }
        }
    }

    public void AddReserved(CounterKey key, CounterWindow window)
    {
        lock (_lock)
        {
            _reserved ??= [];
            if (!_reserved.Contains((key, window)))
            {
                _reserved.Add((key, window));
            }
        }
    }

    public void RemoveReserved(CounterKey key, CounterWindow window)
    {
        lock (_lock)
        {
            _reserved?.Remove((key, window));
        }
    }
}
