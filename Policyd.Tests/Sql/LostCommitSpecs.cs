using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Tests.Clustering;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// A node is lost in the middle of a commit, which its database has got half of: the others fence the node all the same, within seconds.
/// </summary>
[ServerTest]
public sealed class LostCommitSpecs(ITestOutputHelper output, MariaDbServer mariaDb)
{
    private const string Table = "acct_sender";
    private const string Lost = "10.77.0.1:4053#1";
    private const string Other = "10.77.0.2:4053#2";
    private const int Half = 2048;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Node_that_is_cut_off_from_PostgreSQL_is_fenced_when_the_server_misses_it()
    {
        await using var network = await ClusterNetwork.Create(1);
        await using var server = new PostgresServer { AlsoOn = ClusterNetwork.DatabaseAddress };
        var dsn = await server.NewDatabase();
        await using var relay = new HaltingRelay(() => ClusterNetwork.Connect(1, PortOf(dsn)));
        await using var nodes = await Nodes.Start(server, dsn, relay);
        var commit = await nodes.BeginCommit(relay);

        await Eventually.Holds("the half that has come to hold the node's row", nodes.IsHeld);
        var busy = await Assert.ThrowsAsync<CounterStoreException>(() => nodes.Survivor.FenceMemberAsync(Lost, Cancel));
        Assert.Equal(CounterStoreFailure.Busy, busy.Failure);

        var since = Stopwatch.StartNew();
        await network.Cut(1, alsoDatabase: true);
        await nodes.IsFenced();
        Summary.Line(output, $"PostgreSQL: a node that was cut off in a commit is fenced after {since.Elapsed.TotalSeconds:0.0} s");
        await relay.DisposeAsync();
        await Assert.ThrowsAsync<CounterStoreException>(() => commit);
        Assert.Empty(await nodes.Survivor.ListAsync(Table, null, CounterMetric.Count, 1, Cancel));
    }

    [Fact]
    public async Task Commit_that_MariaDB_has_half_of_holds_up_no_fence()
    {
        var dsn = await mariaDb.NewDatabase();
        await using var relay = new HaltingRelay(() => Connect(PortOf(dsn)));
        await using var nodes = await Nodes.Start(mariaDb, dsn, relay);
        var commit = await nodes.BeginCommit(relay);
        await nodes.IsFenced();
        Assert.False(commit.IsCompleted);
        await relay.DisposeAsync();
        await Assert.ThrowsAsync<CounterStoreException>(() => commit);
        Assert.Empty(await nodes.Survivor.ListAsync(Table, null, CounterMetric.Count, 1, Cancel));
    }

    private static int PortOf(string dsn) => int.Parse(dsn.Split("port=")[1], CultureInfo.InvariantCulture);

    private static Socket Connect(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect("127.0.0.1", port);
        return socket;
    }

    /// <summary>Two nodes of a database: the way of one goes through a relay.</summary>
    private sealed class Nodes(SqlDatabase[] databases, ICounterStore[] stores) : IAsyncDisposable
    {
        public ICounterStore Survivor => stores[1];

        public static async Task<Nodes> Start(IDatabaseServer server, string dsn, HaltingRelay relay)
        {
            var ways = new[] { dsn.Replace($"port={PortOf(dsn)}", $"port={relay.Port}", StringComparison.Ordinal), dsn };
            SqlDatabase[] databases = [.. ways.Select(way => SqlDatabase.Create(new SqlConnectionOptions
            {
                Dsn = SqlDsn.TryParse(way, out var parsed, out var error) ? parsed! : throw new InvalidOperationException(error),
                User = server.User,
                Password = "secret",
            }))];
            var nodes = new Nodes(databases, [.. databases.Select(static one => one.CreateCounterStore())]);
            await nodes.Lost.PrepareAsync(Table, Cancel);
            await nodes.Lost.EnterMemberAsync(LostCommitSpecs.Lost, Cancel);
            await nodes.Survivor.EnterMemberAsync(Other, Cancel);
            return nodes;
        }

        private ICounterStore Lost => stores[0];

        /// <summary>A commit of which only the beginning comes to the server.</summary>
        public async Task<Task> BeginCommit(HaltingRelay relay)
        {
            var rows = Enumerable.Range(0, 1000)
                .Select(static number => new CounterDelta(Table, $"u{number}@example.com", "2026", new CounterAmounts(1, 1, 1, 1)));
            relay.HaltAfter(Half);
            var commit = Lost.CommitAsync(
                new CounterCommit(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, [1], [.. rows]) { Member = LostCommitSpecs.Lost }, Cancel);
            await Eventually.Holds("half of the commit to be sent", () => relay.HasHalted);
            return commit;
        }

        public async Task<bool> IsHeld()
        {
            await using var connection = await databases[1].OpenAsync(Cancel);
            await using var command = connection.CreateCommand();
            command.CommandText = $"SELECT 1 FROM policyd_nodes WHERE member = '{LostCommitSpecs.Lost}' FOR UPDATE SKIP LOCKED";
            return await command.ExecuteScalarAsync(Cancel) is null;
        }

        public Task IsFenced() => Eventually.Holds(
            "the lost node to be fenced",
            async () =>
            {
                try
                {
                    await Survivor.FenceMemberAsync(LostCommitSpecs.Lost, Cancel);
                    return true;
                }
                catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Busy)
                {
                    return false;
                }
            });

        public async ValueTask DisposeAsync()
        {
            foreach (var one in stores)
            {
                await one.DisposeAsync();
            }

            foreach (var one in databases)
            {
                await one.DisposeAsync();
            }
        }
    }
}
