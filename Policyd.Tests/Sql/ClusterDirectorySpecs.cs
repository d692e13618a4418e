using System.Data.Common;
using System.Diagnostics;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCluster;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// What a cluster's members know of one another, and who of them may decide. The same tests run on PostgreSQL and MariaDB.
/// </summary>
public abstract class ClusterDirectorySpecs : FreshCounterStore
{
    private const string First = "10.0.0.1:4053#1";
    private const string Second = "10.0.0.2:4053#2";
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task Members_enter_beat_and_are_taken_out()
    {
        await using var directory = new SqlClusterDirectory(Database);
        Assert.Empty(await Directory(directory.ReadAsync));
        Assert.False(await Directory(ct => directory.BeatAsync(First, ct)));
        await directory.EnterAsync(new MemberRow(First, "10.0.0.1:4053", 0), null, Cancel);
        await directory.EnterAsync(new MemberRow(Second, "10.0.0.2:4053", 7), null, Cancel);
        Assert.True(await directory.BeatAsync(First, Cancel));
        Assert.True(await directory.BeatAsync(First, Cancel));
        Assert.Equal(
            [new(First, "10.0.0.1:4053", 2), new(Second, "10.0.0.2:4053", 7)], await directory.ReadAsync(Cancel));

        await directory.RemoveAsync([], Cancel);
        await directory.RemoveAsync([First, "nobody"], Cancel);
        Assert.Equal(Second, Assert.Single(await directory.ReadAsync(Cancel)).Member);
        Assert.False(await directory.BeatAsync(First, Cancel));
    }

    [Fact]
    public async Task Of_many_that_take_a_lease_at_once_one_gets_it()
    {
        var directories = Enumerable.Range(0, 4).Select(_ => new SqlClusterDirectory(Database)).ToList();
        foreach (var one in directories)
        {
            await Directory(one.ReadAsync);
        }

        var taken = await Task.WhenAll(directories.Select(
            (directory, number) => Task.Run(() => Directory(ct => directory.TryTakeLeaseAsync("split", $"owner{number}", s_long, ct)))));
        var winner = Assert.Single(taken.Index(), static one => one.Item).Index;
        Assert.Equal($"owner{winner}", await directories[0].LeaseOwnerAsync("split", Cancel));
        foreach (var one in directories)
        {
            await one.DisposeAsync();
        }
    }

    [Fact]
    public async Task Lease_is_its_owners_until_he_gives_it_back_or_it_ends()
    {
        await using var directory = new SqlClusterDirectory(Database);
        Assert.Null(await Directory(ct => directory.LeaseOwnerAsync("split", ct)));
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("split", First, s_long, ct)));
        Assert.False(await Directory(ct => directory.TryTakeLeaseAsync("split", Second, s_long, ct)));
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("other", Second, s_long, ct)));
        await directory.ReleaseLeaseAsync("split", Second, Cancel);
        Assert.Equal(First, await directory.LeaseOwnerAsync("split", Cancel));

        // Taken again by its owner it ends at another time: at once.
        Assert.False(await Directory(ct => directory.TryTakeLeaseAsync("split", First, TimeSpan.Zero, ct)));
        Assert.Null(await directory.LeaseOwnerAsync("split", Cancel));
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("split", Second, s_long, ct)));
        Assert.Equal(Second, await directory.LeaseOwnerAsync("split", Cancel));
        await directory.ReleaseLeaseAsync("split", Second, Cancel);
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("split", First, s_long, ct)));
    }

    [Fact]
    public async Task Who_has_formed_a_cluster_enters_only_while_it_has_the_lease()
    {
        await using var directory = new SqlClusterDirectory(Database);
        var (first, second) = (new MemberRow(First, "10.0.0.1:4053", 0), new MemberRow(Second, "10.0.0.2:4053", 0));
        Assert.False(await Directory(ct => directory.EnterAsync(first, "formation", ct)));
        Assert.True(await directory.TryTakeLeaseAsync("formation", First, s_long, Cancel));
        Assert.False(await directory.EnterAsync(second, "formation", Cancel));
        Assert.False(await directory.EnterAsync(first, "split", Cancel));
        Assert.True(await directory.EnterAsync(first, "formation", Cancel));
        Assert.True(await directory.EnterAsync(first, "formation", Cancel));

        await directory.TryTakeLeaseAsync("formation", First, TimeSpan.Zero, Cancel);
        Assert.False(await directory.EnterAsync(first, "formation", Cancel));
        Assert.Equal(first, Assert.Single(await directory.ReadAsync(Cancel)));
    }

    [Fact]
    public async Task Entry_under_a_lease_waits_for_who_is_taking_the_lease_and_is_refused()
    {
        await using var directory = new SqlClusterDirectory(Database);
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("formation", First, s_long, ct)));
        await using var taker = await Database.OpenAsync(Cancel);
        await Execute(taker, $"BEGIN; UPDATE policyd_leases SET owner = '{Second}' WHERE name = 'formation'");
        var entry = Directory(ct => directory.EnterAsync(new MemberRow(First, "10.0.0.1:4053", 0), "formation", ct));
        await Execute(taker, "COMMIT");
        Assert.False(await entry);
        Assert.Empty(await directory.ReadAsync(Cancel));
    }

    [Fact]
    public async Task Caller_who_gives_up_is_told_so_and_a_database_that_is_silent_is_away()
    {
        await using var directory = new SqlClusterDirectory(Database);
        await Directory(directory.ReadAsync);
        using var given = new CancellationTokenSource();
        await given.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => directory.ReadAsync(given.Token));

        await using var holder = await Database.OpenAsync(Cancel);
        await Execute(holder, HoldMembers);
        var since = Stopwatch.GetTimestamp();
        var away = await Assert.ThrowsAsync<CounterStoreException>(
            () => directory.EnterAsync(new MemberRow(First, "a:1", 0), null, Cancel));
        Assert.Equal(CounterStoreFailure.Unavailable, away.Failure);
        Assert.EndsWith("no answer within 2 s", away.Message, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(since) >= TimeSpan.FromSeconds(1.9));

        // Leases do not wait behind it.
        Assert.True(await Directory(ct => directory.TryTakeLeaseAsync("split", First, s_long, ct)));
    }

    /// <summary>A statement that keeps every other connection from writing members, as long as its own is open.</summary>
    private protected abstract string HoldMembers { get; }

    private static async Task Execute(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    /// <summary>Asks again while a busy machine takes longer than the directory waits.</summary>
    private static async Task<T> Directory<T>(Func<CancellationToken, Task<T>> call)
    {
        var result = default(T);
        await Eventually.Holds(
            "the directory to answer",
            async () =>
            {
                try
                {
                    result = await call(Cancel);
                    return true;
                }
                catch (CounterStoreException e) when (e.Failure is CounterStoreFailure.Unavailable or CounterStoreFailure.Busy)
                {
                    return false;
                }
            });
        return result!;
    }
}

[ServerTest]
public sealed class PostgresClusterDirectorySpecs(PostgresServer server) : ClusterDirectorySpecs
{
    private protected override string HoldMembers => "BEGIN; LOCK TABLE policyd_members";

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}

[ServerTest]
public sealed class MariaDbClusterDirectorySpecs(MariaDbServer server) : ClusterDirectorySpecs
{
    private protected override string HoldMembers => "LOCK TABLES policyd_members WRITE";

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}
