using Microsoft.Extensions.Logging;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Chain;

// What all plugins of one request share, those of nested chains included. Only the chain replaces the session in it.
internal sealed class RequestRun(PolicyRequest request, Session session, VirtualHost host, ChainEnvironment environment, long deadline)
{
    private readonly Lock _lock = new();
    private Session _session = session;
    private List<(CounterKey Key, CounterWindow Window)>? _reserved;
    private DateTimeOffset? _time;
    private DnsBudget? _lookups;

    public PolicyRequest Request { get; } = request;

    public VirtualHost Host { get; } = host;

    public ChainEnvironment Environment { get; } = environment;

    /// <summary>Timestamp at which plugins are given up: the request's deadline less the reserve in which the answer is sent.</summary>
    public long Deadline { get; } = deadline;

    public string? LastPlugin { get; set; }

    /// <summary>The first failure of a plugin, in words for the line of the request, also when the chain went on after it.</summary>
    public string? Failure { get; private set; }

    /// <summary>What the request may ask of the network; made when first asked for.</summary>
    public DnsBudget Lookups => LazyInitializer.EnsureInitialized(ref _lookups, () => new DnsBudget(ClientAddress.Parse(Request.ClientAddress)));

    public Session Session
    {
        get => Volatile.Read(ref _session);
        set => Volatile.Write(ref _session, value);
    }

    public ILogger Logger => Environment.Logger;

    /// <summary>Local time, taken once: all plugins of a request count into the same month.</summary>
    public DateTimeOffset Time => _time ??= Environment.Clock.GetLocalNow();

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

    public void Failed(PluginFailedException failure) =>
        Failure ??= failure.Plugin.Length > 0 ? $"plugin {failure.Plugin} {failure.Message}" : failure.Message;

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

/// <summary>What chains of a server share.</summary>
/// <param name="Clock">The clock.</param>
/// <param name="Logger">The log of requests and plugins.</param>
/// <param name="Grammar">What Postfix obeys.</param>
public sealed record ChainEnvironment(TimeProvider Clock, ILogger Logger, ActionGrammar Grammar);
