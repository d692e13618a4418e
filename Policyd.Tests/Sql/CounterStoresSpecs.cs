using System.Data.Common;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>SQLite, and tables that mtpolicyd wrote there.</summary>
public sealed class SqliteCounterStoreSpecs : CounterStoreSpecs, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Table_of_mtpolicyd_is_taken_over_and_its_double_rows_become_one()
    {
        await using (var connection = await Database.OpenAsync(Cancel))
        {
            await Execute(connection, MtpolicydTables.Sqlite);
            await Execute(connection, MtpolicydTables.Rows);
        }

        var planned = await Store.DescribePreparationAsync(Table, Cancel);
        Assert.Contains(planned, one => one.Contains("stood twice", StringComparison.Ordinal));
        Assert.Equal(planned, (await Store.PrepareAsync(Table, Cancel)).Done);
        Assert.Equal(new CounterAmounts(7, 9, 11, 13), await Load("192.0.2.7"));
        Assert.Equal(new CounterAmounts(1, 1, 1, 1), await Load("192.0.2.8"));
        Assert.Equal(8, Assert.Single(await Commit(Add("192.0.2.7", 1, 1))).Row.Total.Count);
    }

    [Fact]
    public async Task Locked_file_is_unavailable_and_goes_on_when_it_is_free()
    {
        await Store.PrepareAsync(Table, Cancel);
        await using var other = await Database.OpenAsync(Cancel);
        await Execute(other, "BEGIN IMMEDIATE");
        var failure = await Assert.ThrowsAsync<CounterStoreException>(() => Commit(Add("a", 1, 1)));
        Assert.Equal(CounterStoreFailure.Unavailable, failure.Failure);
        Assert.Contains("locked", failure.Message, StringComparison.Ordinal);
        await Execute(other, "ROLLBACK");
        Assert.Equal(1, Assert.Single(await Commit(Add("a", 1, 1))).Row.Total.Count);
    }

    public void Dispose() => _folder.Dispose();

    private protected override Task<SqlConnectionOptions> Options() =>
        Task.FromResult(new SqlConnectionOptions { Dsn = Dsn($"Data Source={_folder["counters.db"]};Default Timeout=1"), Provider = SqlProvider.SQLite });

    private static async Task Execute(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }
}

/// <summary>MariaDB, and tables that mtpolicyd wrote there: MyISAM, 32 bits, case-insensitive.</summary>
public sealed class MariaDbCounterStoreSpecs(MariaDbServer server) : CounterStoreSpecs
{
    [Fact]
    public async Task Table_of_mtpolicyd_is_taken_over_with_transactions_and_64_bits()
    {
        await using (var connection = await Database.OpenAsync(Cancel))
        await using (var command = connection.CreateCommand())
        {
            command.CommandText = MtpolicydTables.MySql + "INSERT INTO acct_client_address VALUES (1, 'A@b.C', '2026-11', 1, 2, 4294967295, 4)";
            await command.ExecuteNonQueryAsync(Cancel);
        }

        var planned = await Store.DescribePreparationAsync(Table, Cancel);
        Assert.Contains(planned, one => one.Contains("InnoDB", StringComparison.Ordinal));
        Assert.Contains(planned, one => one.Contains("64 bits: id, count, count_rcpt, size, size_rcpt", StringComparison.Ordinal));
        var info = await Store.PrepareAsync(Table, Cancel);
        Assert.Equal(planned, info.Done);
        Assert.True(info.IgnoresCase);
        Assert.Equal(TextRepertoire.Latin1, info.Repertoire);
        var key = CounterKeyText.ForTable("A@B.c", info);
        Assert.Equal(new CounterAmounts(2, 3, 4294967395, 104), Assert.Single(await Commit(new CounterDelta(Table, key, "2026-11", new CounterAmounts(1, 1, 100, 100)))).Row.Total);
        Assert.Empty(await Store.DescribePreparationAsync(Table, Cancel));
    }

    private protected override async Task<SqlConnectionOptions> Options() =>
        new() { Dsn = Dsn(await server.NewDatabase()), User = "policyd", Password = "secret" };
}

/// <summary>PostgreSQL, which mtpolicyd never had a schema for.</summary>
public sealed class PostgresCounterStoreSpecs(PostgresServer server) : CounterStoreSpecs
{
    private protected override async Task<SqlConnectionOptions> Options() => new() { Dsn = Dsn(await server.NewDatabase()), User = "postgres" };
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
