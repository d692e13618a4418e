using System.Data.Common;
using CsCheck;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Differential;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>SQLite, and tables that mtpolicyd wrote there.</summary>
public sealed class SqliteCounterStoreSpecs : CounterStoreSpecs, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Table_of_mtpolicyd_is_taken_over_and_its_double_rows_become_one()
    {
        await Execute(MtpolicydTables.Sqlite);
        await Execute(MtpolicydTables.Rows);

        var planned = await Store.DescribePreparationAsync(Table, Cancel);
        Assert.Contains(planned, one => one.Contains("duplicate row", StringComparison.Ordinal));
        Assert.Equal(planned, (await Store.PrepareAsync(Table, Cancel)).Done);
        Assert.Equal(new CounterAmounts(7, 9, 11, 13), await Load("192.0.2.7"));
        Assert.Equal(new CounterAmounts(1, 1, 1, 1), await Load("192.0.2.8"));
        Assert.Equal(8, Assert.Single(await Commit(Add("192.0.2.7", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Another_program_that_writes_between_two_commits_is_seen_at_the_next()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, 1), Add("b", 1, 1));
        Assert.Equal(2, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
        SqliteFile.Execute(_folder["counters.db"], $"UPDATE {Table} SET count = 100");

        // A commit of one row notices; the other row is not in that commit, and was changed all the same.
        Assert.Equal(101, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
        Assert.Equal(101, Assert.Single(await Commit(Add("b", 1, 1))).Row.Total.Count);
        SqliteFile.Execute(_folder["counters.db"], $"DELETE FROM {Table}");
        Assert.Equal([1, 1], (await Commit(Add("a", 1, 1), Add("b", 1, 1))).Select(total => total.Row.Total.Count));
        Assert.Equal(2, SqliteFile.Number(_folder["counters.db"], $"SELECT sum(count) FROM {Table}"));
    }

    [Fact]
    public async Task Totals_are_those_of_the_file_whoever_writes_purges_and_fails_in_between()
    {
        var info = await Store.PrepareAsync(Table, Cancel);
        Assert.Empty(info.Warnings);
        await Gen.Int[0, 5].List[1, 60].SampleAsync(
            async turns =>
            {
                await using var store = Database.CreateCounterStore();
                SqliteFile.Execute(_folder["counters.db"], $"DELETE FROM {Table}");
                var (node, sequence, model) = (Guid.NewGuid(), 0L, new Dictionary<string, long>());
                foreach (var (turn, number) in turns.Select((turn, number) => (turn, number)))
                {
                    var key = $"k{number % 3}";
                    switch (turn)
                    {
                        case 0:
                            SqliteFile.Execute(_folder["counters.db"], $"UPDATE {Table} SET count = count + 10 WHERE key = '{key}'");
                            if (model.TryGetValue(key, out var there))
                            {
                                model[key] = there + 10;
                            }

                            break;
                        case 1:
                            await store.PurgeWindowsAsync(Table, _ => true, Cancel);
                            model.Clear();
                            break;
                        case 2 when sequence > 0:
                            await Assert.ThrowsAsync<CounterStoreException>(() => Write(sequence, Add(key, 1, 1)));
                            break;
                        case 3:
                            await Write(++sequence, Add(key, 7, 7) with { Absolute = true });
                            model[key] = 7;
                            break;
                        default:
                            var totals = await Write(++sequence, Add(key, 1, 1), Add("k1", 2, 2));
                            model[key] = model.GetValueOrDefault(key) + 1;
                            model["k1"] = model.GetValueOrDefault("k1") + 2;
                            Assert.All(totals, total => Assert.Equal(model[total.Row.Key], total.Row.Total.Count));
                            break;
                    }
                }

                Assert.Equal(
                    model.Select(row => $"{row.Key}|{row.Value}").Order(StringComparer.Ordinal),
                    SqliteFile.Rows(_folder["counters.db"], $"SELECT key, count FROM {Table} ORDER BY key"));

                Task<IReadOnlyList<(string Table, CounterRow Row)>> Write(long seq, params CounterDelta[] deltas) =>
                    store.CommitAsync(new CounterCommit(node, seq, DateTimeOffset.UtcNow, [], deltas), Cancel);
            },
            iter: 12,
            threads: 1);
    }

    [Fact]
    public void Known_totals_are_bounded_and_what_is_asked_for_stays()
    {
        var known = new KnownTotals(generation: 10);
        for (var number = 0; number < 100; number++)
        {
            known.Set(new CounterRowId("often", "t"), new CounterAmounts(number, 0, 0, 0));
            known.Set(new CounterRowId($"{number}", "t"), default);
        }

        Assert.True(known.TryGet(new CounterRowId("often", "t"), out var total));
        Assert.Equal(99, total.Count);
        Assert.InRange(Enumerable.Range(0, 100).Count(number => known.TryGet(new CounterRowId($"{number}", "t"), out _)), 9, 20);
        known.Forget();
        Assert.False(known.TryGet(new CounterRowId("often", "t"), out _));
    }

    [Fact]
    public async Task Load_that_fails_leaves_no_transaction_in_which_later_ones_see_what_was()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 1, 1));
        for (var mails = 1; mails <= 3; mails++)
        {
            var load = new CounterLoad("a", new CounterTimeRange("2026-11", "2026-11"));
            var failure = await Assert.ThrowsAsync<CounterStoreException>(() => Store.LoadAsync("acct_gone", [load], Cancel));
            Assert.Equal(CounterStoreFailure.Schema, failure.Failure);
            Assert.Equal(mails, (await Load("a")).Count);
            await Commit(Add("a", 1, 1));
        }
    }

    [Fact]
    public async Task Locked_file_is_busy_and_goes_on_when_it_is_free()
    {
        await Store.PrepareAsync(Table, Cancel);
        await using var other = await Database.OpenAsync(Cancel);
        await Execute(other, "BEGIN IMMEDIATE");
        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => Commit(Add("a", 1, 1)));
        Assert.Equal(CounterStoreFailure.Busy, failure.Failure);
        Assert.Contains("locked", failure.Message, StringComparison.Ordinal);
        await Execute(other, "ROLLBACK");
        Assert.Equal(1, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Read_only_file_refuses_and_still_answers()
    {
        await Store.PrepareAsync(Table, Cancel);
        await Commit(Add("a", 3, 3));
        await using var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = Dsn($"Data Source={_folder["counters.db"]};Mode=ReadOnly") });
        await using var store = database.CreateCounterStore();
        Assert.Equal(3, Assert.Single(await store.ListAsync(Table, null, CounterMetric.Count, 5, Cancel)).Total.Count);
        var failure = await Assert.ThrowsAsync<CounterStoreException>(
            () => store.CommitAsync(new CounterCommit(Guid.NewGuid(), 1, DateTimeOffset.UtcNow, [], [Add("a", 1, 1)]), Cancel));
        Assert.Equal(CounterStoreFailure.Refused, failure.Failure);
        Assert.Contains("read-only", failure.Message, StringComparison.Ordinal);
    }

    [ServerTest]
    [Fact]
    public async Task Full_disk_refuses_whole_commits_and_goes_on_when_there_is_room()
    {
        await using var small = await SmallDisk.MountAsync(_folder["disk"], "1m");
        var disk = small.Folder;
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Dsn($"dbi:SQLite:{disk}/counters.db") });
        await using var store = database.CreateCounterStore();
        await store.PrepareAsync(Table, Cancel);
        var node = Guid.NewGuid();
        var ballast = Path.Combine(disk, "ballast");
        await File.WriteAllBytesAsync(ballast, new byte[300_000], Cancel);
        var (sequence, full) = (0L, default(CounterStoreException));
        while (full is null)
        {
            full = await Record.ExceptionAsync(() => Commit(sequence + 1)) as CounterStoreException;
            sequence += full is null ? 1 : 0;
            Assert.True(sequence < 10_000, "the disk never became full");
        }

        Assert.Equal(CounterStoreFailure.Refused, full.Failure);
        Assert.Contains("disk is full", full.Message, StringComparison.Ordinal);
        Assert.False(await store.IsCommittedAsync(node, sequence + 1, Cancel));
        File.Delete(ballast);
        Assert.All(await Commit(sequence + 1), total => Assert.Equal(sequence + 1, total.Row.Total.Count));

        Task<IReadOnlyList<(string Table, CounterRow Row)>> Commit(long number) => store.CommitAsync(
            new CounterCommit(node, number, DateTimeOffset.UtcNow, new UInt128[64], [
                .. Enumerable.Range(0, 20).Select(key => Add($"k{key}", 1, 1))
            ]), Cancel);
    }

    [Fact]
    public async Task Missing_folder_is_told_and_no_folder_is_made()
    {
        await using var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = Dsn($"dbi:SQLite:{_folder["not-mounted"]}/counters.db") });
        await using var store = database.CreateCounterStore();
        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => store.PrepareAsync(Table, Cancel));
        Assert.Equal(CounterStoreFailure.Unavailable, failure.Failure);
        Assert.Contains("check that its folder exists", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["not-mounted"]));
        Directory.CreateDirectory(_folder["not-mounted"]);
        Assert.NotEmpty((await store.PrepareAsync(Table, Cancel)).Done);
    }

    [Fact]
    public async Task File_that_is_no_database_refuses()
    {
        var file = _folder.Write("text.db", new string('x', 5000));
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Dsn($"dbi:SQLite:{file}") });
        await using var store = database.CreateCounterStore();
        Assert.Equal(
            CounterStoreFailure.Refused,
            (await Assert.ThrowsAsync<CounterStoreException>(() => store.PrepareAsync(Table, Cancel))).Failure);
    }

    [Fact]
    public async Task File_that_is_put_in_order_is_used_without_a_restart()
    {
        var file = _folder.Write("text.db", new string('x', 5000));
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Dsn($"dbi:SQLite:{file}") });
        await using var store = database.CreateCounterStore();
        var query = SqlQuery.Parse("CREATE TABLE IF NOT EXISTS t (x)", SqlProvider.SQLite);
        await Assert.ThrowsAsync<CounterStoreException>(() => store.PrepareAsync(Table, Cancel));
        await Assert.ThrowsAnyAsync<DbException>(() => CallAsync());

        File.Delete(file);
        await CallAsync();
        Assert.NotEmpty((await store.PrepareAsync(Table, Cancel)).Done);

        Task<int> CallAsync() => database.CallAsync(query, [], (command, ct) => command.ExecuteNonQueryAsync(ct), Cancel);
    }

    public void Dispose() => _folder.Dispose();

    private protected override Task<SqlConnectionOptions> Options() =>
        Task.FromResult(new SqlConnectionOptions
        {
            Dsn = Dsn($"Data Source={_folder["counters.db"]};Default Timeout=1"),
            Provider = SqlProvider.SQLite,
        });
}

/// <summary>As on MySQL, which does not give back what an upsert has written.</summary>
[ServerTest]
public sealed class MySqlCounterStoreSpecs(MariaDbServer server) : CounterStoreSpecs
{
    [Fact]
    public async Task Keys_that_the_collation_takes_for_one_count_together_and_are_all_answered() => await CountSpellings();

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);

    private protected override ICounterStore StoreOf(SqlDatabase database) =>
        new MySqlCounterStore((MySqlDatabase)database, mayReturn: false);
}

/// <summary>MariaDB, and tables that mtpolicyd wrote there: MyISAM, 32 bits, case-insensitive.</summary>
[ServerTest]
public sealed class MariaDbCounterStoreSpecs(MariaDbServer server) : CounterStoreSpecs
{
    [Fact]
    public async Task Table_of_mtpolicyd_is_taken_over_with_transactions_and_64_bits()
    {
        await using (var connection = await Database.OpenAsync(Cancel))
        await using (var command = connection.CreateCommand())
        {
            command.CommandText = MtpolicydTables.MySql
                + "INSERT INTO acct_client_address VALUES (1, 'A@b.C', '2026-11', 1, 2, 4294967295, 4)";
            await command.ExecuteNonQueryAsync(Cancel);
        }

        var planned = await Store.DescribePreparationAsync(Table, Cancel);
        Assert.Contains(planned, one => one.Contains("InnoDB", StringComparison.Ordinal));
        Assert.Contains(planned, one => one.Contains("64 bits: id, count, count_rcpt, size, size_rcpt", StringComparison.Ordinal));
        var info = await Store.PrepareAsync(Table, Cancel);
        Assert.Equal(planned, info.Done);
        Assert.True(info.Folding.JoinsSpellings);
        Assert.Equal(TextRepertoire.Latin1, info.Repertoire);
        var key = CounterKeyText.ForTable("A@B.c", info);
        Assert.Equal(
            new CounterAmounts(2, 3, 4294967395, 104),
            Assert.Single(await Commit(new CounterDelta(Table, key, "2026-11", new CounterAmounts(1, 1, 100, 100)))).Row.Total);
        Assert.Empty(await Store.DescribePreparationAsync(Table, Cancel));
    }

    [Fact]
    public async Task Server_is_known_to_give_back_what_an_upsert_has_written()
    {
        await using var connection = await Database.OpenAsync(Cancel);
        Assert.True(MariaDbVersion.KnowsReturning(connection.ServerVersion), connection.ServerVersion);
    }

    [Fact]
    public async Task Double_rows_become_one_whichever_node_gets_there_first()
    {
        await Execute(
            MtpolicydTables.MySql.Replace("UNIQUE KEY time_key (`key`, `time`),", "", StringComparison.Ordinal) + MtpolicydTables.Rows);
        await using var other = Database.CreateCounterStore();
        var prepared = await Task.WhenAll(Store.PrepareAsync(Table, Cancel), other.PrepareAsync(Table, Cancel));
        Assert.Single(prepared, info => info.Done.Count > 0);
        Assert.Equal(new CounterAmounts(7, 9, 11, 13), await Load("192.0.2.7"));
        Assert.Equal(new CounterAmounts(9, 9, 9, 9), await Load("192.0.2.7", "2026-10"));
        Assert.Equal(8, Assert.Single(await Commit(Add("192.0.2.7", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Keys_that_the_collation_takes_for_one_count_together_and_are_all_answered() => await CountSpellings();

    [Fact]
    public async Task Database_that_stops_in_the_middle_of_a_commit_loses_and_doubles_nothing()
    {
        await using var own = new MariaDbServer();
        await Survive(await NewDatabaseOf(own), own.Stop, own.Start);
    }

    [Fact]
    public async Task Mtpolicyd_and_this_server_count_right_into_one_table()
    {
        using var folder = new TemporaryFolder();
        var port = FreePort.Next();
        var dsn = await server.NewDatabase();
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Dsn(dsn), User = "policyd", Password = "secret" });
        await using var store = database.CreateCounterStore();
        await using var original = await MtpolicydProcess.Start(folder, port, (policy, _) => $"""
            user=nobody
            group=nogroup
            host="127.0.0.1"
            port="127.0.0.1:{policy}"
            pid_file={folder["mtpolicyd.pid"]}
            min_servers=2
            min_spare_servers=1
            max_spare_servers=2
            max_servers=4
            <Connection db>
              module="Sql"
              dsn="{dsn}"
              user="policyd"
              password="secret"
            </Connection>
            <VirtualHost {policy}>
              name="accounting"
              <Plugin acct>
                module="Accounting"
                fields="client_address"
                time_pattern="fixed"
              </Plugin>
            </VirtualHost>
            """);
        const int Mails = 150;
        Assert.Contains((await store.PrepareAsync(Table, Cancel)).Done, done => done.Contains("InnoDB", StringComparison.Ordinal));

        // The first mail of a key races in mtpolicyd itself; from a row that is there it only updates.
        var node = Guid.NewGuid();
        await store.CommitAsync(new CounterCommit(node, 1, DateTimeOffset.UtcNow, [], [
            new CounterDelta(Table, "192.0.2.1", "fixed", new CounterAmounts(1, 1, 10, 10))
        ]), Cancel);
        var theirs = Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(
            async () =>
            {
                Assert.True(PolicyEndpoint.TryParse($"127.0.0.1:{port}", out var endpoint, out var error), error);
                await using var client = await PolicyClient.ConnectAsync(endpoint!, Cancel);
                for (var mail = 0; mail < Mails; mail++)
                {
                    var request = new PolicyRequestBuilder();
                    request.Add("request", "smtpd_access_policy");
                    request.Add("instance", Guid.NewGuid().ToString("N"));
                    request.Add("client_address", "192.0.2.1");
                    request.Add("size", "10");
                    request.Add("recipient_count", "1");
                    Assert.Equal("dunno", await client.AskAsync(request.ToBytes(), Cancel));
                }
            },
            Cancel)));
        for (var number = 2; number <= Mails; number++)
        {
            await store.CommitAsync(new CounterCommit(node, number, DateTimeOffset.UtcNow, [], [
                new CounterDelta(Table, "192.0.2.1", "fixed", new CounterAmounts(1, 1, 10, 10))
            ]), Cancel);
        }

        await theirs;
        var row = Assert.Single(
            await store.LoadAsync(Table, [new CounterLoad("192.0.2.1", new CounterTimeRange("fixed", "fixed"))], Cancel));
        Assert.Equal(new CounterAmounts(3 * Mails, 3 * Mails, 30 * Mails, 30 * Mails), row.Total);
    }

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}

/// <summary>PostgreSQL, which mtpolicyd never had a schema for.</summary>
[ServerTest]
public sealed class PostgresCounterStoreSpecs(PostgresServer server) : CounterStoreSpecs
{
    [Fact]
    public async Task Table_made_by_hand_is_widened_and_its_double_rows_become_one()
    {
        await Execute(
            "CREATE TABLE acct_client_address (id serial PRIMARY KEY, key varchar(255), time varchar(255), count int, count_rcpt "
                + "int, size int, size_rcpt numeric)");
        await Execute(MtpolicydTables.Rows);
        var planned = await Store.DescribePreparationAsync(Table, Cancel);
        Assert.Contains(planned, one => one.Contains("64 bits: count, count_rcpt, size, size_rcpt, id", StringComparison.Ordinal));
        await using var other = Database.CreateCounterStore();
        var prepared = await Task.WhenAll(Store.PrepareAsync(Table, Cancel), other.PrepareAsync(Table, Cancel));
        Assert.Equal(planned, Assert.Single(prepared, info => info.Done.Count > 0).Done);
        Assert.Equal(new CounterAmounts(7, 9, 11, 13), await Load("192.0.2.7"));
        await Execute("ALTER TABLE acct_client_address ALTER COLUMN id SET DEFAULT 77");
        Assert.Equal(5_000_000_011, Assert.Single(await Commit(Add("192.0.2.7", 1, 5_000_000_000))).Row.Total.Size);
    }

    [Fact]
    public async Task Database_that_stops_in_the_middle_of_a_commit_loses_and_doubles_nothing()
    {
        await using var own = new PostgresServer();
        await Survive(await NewDatabaseOf(own), own.Stop, own.Start);
    }

    private protected override Task<SqlConnectionOptions> Options() => NewDatabaseOf(server);
}

/// <summary>The tables as mtpolicyd 2.05 makes them, read off its databases.</summary>
internal static class MtpolicydTables
{
    public const string Sqlite = """
        CREATE TABLE acct_client_address (id INTEGER PRIMARY KEY AUTOINCREMENT, `key` VARCHAR(255) NOT NULL, `time` VARCHAR(255) NOT NULL,
          `count` INT UNSIGNED NOT NULL, `count_rcpt` INT UNSIGNED NOT NULL, `size` INT UNSIGNED NOT NULL, `size_rcpt` INT UNSIGNED NOT NULL)
        """;

    public const string Rows = """
        INSERT INTO acct_client_address VALUES (1, '192.0.2.7', '2026-11', 3, 4, 5, 6), (2, '192.0.2.8', '2026-11', 1, 1, 1, 1),
          (3, '192.0.2.7', '2026-11', 4, 5, 6, 7), (4, '192.0.2.7', '2026-10', 9, 9, 9, 9)
        """;

    public const string MySql = """
        CREATE TABLE acct_client_address (id int(11) NOT NULL AUTO_INCREMENT, `key` varchar(255) NOT NULL, `time` varchar(255) NOT NULL,
          `count` int(10) unsigned NOT NULL, `count_rcpt` int(10) unsigned NOT NULL, `size` int(10) unsigned NOT NULL, `size_rcpt` int(10) unsigned NOT NULL,
          PRIMARY KEY (id), UNIQUE KEY time_key (`key`, `time`), KEY `key` (`key`), KEY `time` (`time`)) ENGINE=MyISAM DEFAULT CHARSET=latin1;
        """;
}
