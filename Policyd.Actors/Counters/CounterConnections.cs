using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Clustering;
using Policyd.Actors.Dispatching;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Engine.Model;

namespace Policyd.Actors.Counters;

/// <summary>
/// Starts what a SQL connection needs to be counted in: its writer, its loader and its spool. At the start of the server, and for a
/// connection in which a later configuration begins to count.
/// </summary>
internal sealed class CounterConnections(ActorSystem system, TimeProvider clock, ILogger logger)
{
    // How long the tables have until they are told to be missing.
    private static readonly TimeSpan s_tablesTime = TimeSpan.FromSeconds(10);

    /// <summary>Makes the spool of a connection; null where there is none.</summary>
    public Func<string, ConnectionSpool>? SpoolOf { get; init; }

    /// <summary>This node as a member of a cluster; null when it is none.</summary>
    public ClusterNode? Member { get; init; }

    /// <summary>The counters, for owners to count what a spool has kept.</summary>
    public CounterGateway Gateway { get; } = new();

    /// <summary>Whether each client of this node waits for an answer.</summary>
    public required Func<bool> EveryClientWaits { get; init; }

    /// <summary>Starts a connection.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="store">Its database.</param>
    /// <param name="tables">Its tables.</param>
    /// <returns>The connection, and the preparation of its tables: it ends also when the database is away.</returns>
    public (CounterConnection Connection, Task Preparing) Start(string name, ICounterStore store, IReadOnlyCollection<string> tables)
    {
        var spool = SpoolOf?.Invoke(name);
        if (spool is not null && Member is not null)
        {
            spool.ThroughOwners = new OwnersOfSpool(name, Gateway).CountAsync;
        }

        var prepared = new PreparedStore(name, store, logger, spool);
        var preparing = Prepare(prepared, tables);
        _ = Task.Run(() => WriteFormerAsync(prepared));
        var writing = new CounterWriterSettings(name, clock) { EveryClientWaits = EveryClientWaits };
        var writer = CounterWriterActor.Props(prepared, writing, logger, spool, Member is null ? null : Member.WasFenced)
            .WithDispatcher(SenderDispatcher.Of(system).Id);
        var connection = new CounterConnection(
            prepared,
            system.ActorOf(writer, "counter-writer-" + Uri.EscapeDataString(name)),
            system.ActorOf(CounterLoaderActor.Props(prepared, writing, logger), "counter-loader-" + Uri.EscapeDataString(name)),
            spool);
        return (connection, preparing);
    }

    /// <summary>Prepares tables, those that are prepared already excepted.</summary>
    public static Task Prepare(PreparedStore store, IReadOnlyCollection<string> tables) => store.BeginAsync(tables, s_tablesTime);

    private async Task WriteFormerAsync(PreparedStore store)
    {
        if (Member is not null)
        {
            await Member.WhenMember.ConfigureAwait(false);
        }

        await store.WriteFormerAsync().ConfigureAwait(false);
    }
}
