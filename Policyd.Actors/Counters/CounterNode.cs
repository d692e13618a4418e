using Akka.Actor;
using Policyd.Counting.Ledger;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>What the owners on one node share: the writer, the loader and the store of each connection, and the settings.</summary>
internal sealed class CounterNode(
    IReadOnlyDictionary<string, CounterConnection> connections, CounterSettings settings, TimeProvider clock, Func<bool> mayBeElsewhere)
{
    // Clocks of nodes that are kept right differ by far less.
    private static readonly TimeSpan s_clocksApart = TimeSpan.FromSeconds(2);

    /// <summary>For what lasts: reservations end in time also when the clock is put back or forward.</summary>
    public SteadyTime Steady { get; } = new(clock);

    /// <summary>
    /// Until when mails count in a rolling window: now. A request that was overtaken sees what was counted meanwhile, and what another
    /// node has counted whose clock is a little ahead.
    /// </summary>
    public DateTimeOffset CountsUntil => MayBeElsewhere() ? clock.GetUtcNow() + s_clocksApart : clock.GetUtcNow();

    public CounterSettings Settings { get; } = settings;

    /// <summary>Whether an owner can live on another node.</summary>
    public Func<bool> MayBeElsewhere { get; } = mayBeElsewhere;

    /// <summary>How an owner tells its parent that it would end: the shard of a cluster has a word of its own.</summary>
    public Func<CounterKey, object> Passivation { get; init; } = static key => new CounterProtocol.FellQuiet(key);

    /// <summary>The owners that live here.</summary>
    public LocalOwners Owners { get; } = new();

    public IEnumerable<CounterConnection> Connections => connections.Values;

    public IActorRef Writer(string connection) => connections[connection].Writer;

    public IActorRef Loader(string connection) => connections[connection].Loader;

    /// <summary>
    /// The key as its table holds it: two spellings that the table takes for one row must have one owner. Before the table
    /// was first seen (the database is away) the key stays as it is.
    /// </summary>
    public CounterKey Normalize(CounterKey key) =>
        connections.TryGetValue(key.Connection, out var connection) && connection.Store.InfoOf(key.Table) is { } table
            ? key with { Key = CounterKeyText.ForTable(key.Key, table) }
            : key;
}

/// <summary>One SQL connection's share of a node.</summary>
internal sealed record CounterConnection(PreparedStore Store, IActorRef Writer, IActorRef Loader);

/// <summary>How long things are kept, and how far the shards are cut. The number of shards must be the same on every node.</summary>
public sealed record CounterSettings
{
    /// <summary>How long a mail that was let in may take until it is counted.</summary>
    public TimeSpan ReservationTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a key that nobody asks for keeps its place in memory: at least this, at most twice as long.</summary>
    public TimeSpan PassivateAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How many keys may be in memory before those that nobody asks for lose their place sooner; some 1.5 KB each.</summary>
    public int OwnersAtEase { get; init; } = 100_000;

    /// <summary>How long an answer of a key's owner is waited for at the most; a plugin's own deadline may be shorter.</summary>
    public TimeSpan AskTimeout { get; init; } = TimeSpan.FromSeconds(15);

    public int Shards { get; init; } = 64;
}
