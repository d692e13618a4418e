using System.Data.Common;
using System.Globalization;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>Another node of MariaDB holds the lock under which a counter table is prepared, and does not let go of it.</summary>
[ServerTest]
public sealed class HeldTableLockSpecs(MariaDbServer server) : IAsyncLifetime
{
    private const string Table = "acct_sender";
    private static readonly CounterWindow Month = new("2026-11");
    private SqlDatabase _database = null!;
    private ICounterStore _store = null!;
    private DbConnection _holder = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.True(SqlDsn.TryParse(await server.NewDatabase(), out var dsn, out var error), error);
        _database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn!, User = "policyd", Password = "secret" });
        _store = _database.CreateCounterStore();
        _holder = await _database.OpenAsync(Cancel);
        Assert.Equal("1", await ScalarAsync($"GET_LOCK(MD5(CONCAT('policyd.', DATABASE(), '.{Table}')), 0)"));
    }

    public async ValueTask DisposeAsync()
    {
        await _holder.DisposeAsync();
        await _store.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Preparation_fails_while_the_lock_is_held_and_succeeds_after_it()
    {
        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => _store.PrepareAsync(Table, Cancel));
        Assert.Equal(CounterStoreFailure.Busy, failure.Failure);
        Assert.Equal($"another node has been preparing table {Table} for more than 5 s", failure.Message);
        Assert.Equal("1", await ScalarAsync($"IS_USED_LOCK(MD5(CONCAT('policyd.', DATABASE(), '.{Table}'))) = CONNECTION_ID()"));

        await ReleaseAsync();
        Assert.NotEmpty((await _store.PrepareAsync(Table, Cancel)).Done);
    }

    [Fact]
    public async Task Other_tables_are_prepared_and_written_while_the_lock_is_held()
    {
        var waiting = _store.PrepareAsync(Table, Cancel);
        await _store.PrepareAsync("acct_other", Cancel);
        var delta = new CounterDelta("acct_other", "a", Month.Time, new CounterAmounts(1, 1, 1, 1));
        Assert.Single(await _store.CommitAsync(new CounterCommit(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, [], [delta]), Cancel));

        // On a busy machine it may have ended by itself meanwhile.
        await ReleaseAsync();
        Assert.True(await Record.ExceptionAsync(() => Eventually.Ends("the preparation", waiting)) is null
            or CounterStoreException { Failure: CounterStoreFailure.Busy });
    }

    [Fact]
    public async Task Caller_who_gives_up_goes_on_and_leaves_no_query_at_the_server()
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var preparing = _store.PrepareAsync(Table, caller.Token);
        await Eventually.Holds("the wait for the lock to begin", async () => await WaitersAsync() == 1);

        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Eventually.Ends("the preparation", preparing));
        await Eventually.Holds("the wait for the lock to end at the server", async () => await WaitersAsync() == 0);
    }

    [Fact]
    public async Task Writer_answers_its_mails_and_tells_who_holds_the_table_and_writes_them_later()
    {
        using var system = ActorSystem.Create("writer", "akka { loglevel = WARNING, stdout-loglevel = OFF, loggers = [] }");
        var owner = new RowOwnerUnderTest();
        using var lines = new LogCapture();
        var settings = new CounterWriterSettings("db", TimeProvider.System);
        var writer = system.ActorOf(
            CounterWriterActor.Props(new PreparedStore("db", _store, lines.CreateLogger("store")), settings, lines.CreateLogger("writer")));

        var key = new CounterKey("db", Table, "a");
        var add = new AddOperation(key, Month, new CounterAmounts(1, 1, 10, 10), MailId.Of("m"), 1) { Owner = owner };
        writer.Tell(add);
        await Eventually.Holds("the mail to be told to go on", () => add.Answer.State == CounterState.Deferred);
        Assert.StartsWith(
            $"db: counters cannot be written; they are kept in memory and retried: another node has been preparing table {Table}",
            Assert.Single(lines.Lines, static line => line.Level == LogLevel.Error).Message,
            StringComparison.Ordinal);

        await ReleaseAsync();
        await Eventually.Holds("the mail to be counted", () => owner.Told.Count == 1);
        await writer.GracefulStop(Eventually.Timeout);
    }

    private async Task ReleaseAsync() =>
        Assert.Equal("1", await ScalarAsync($"RELEASE_LOCK(MD5(CONCAT('policyd.', DATABASE(), '.{Table}')))"));

    private async Task<int> WaitersAsync() => int.Parse(
        (await ScalarAsync(
            "(SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> "
                + "CONNECTION_ID() AND info LIKE '%GET_LOCK%')"))!,
        CultureInfo.InvariantCulture);

    private async Task<string?> ScalarAsync(string expression)
    {
        await using var command = _holder.CreateCommand();
        command.CommandText = $"SELECT CONVERT({expression}, CHAR)";
        return await command.ExecuteScalarAsync(Cancel) as string;
    }
}
