using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Data.Sqlite;
using Policyd.Tests.Server;
using Policyd.Tests.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd check</c> tells what a start would do to the counter tables, and does nothing itself.</summary>
[ServerTest]
public sealed class CheckTablesSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Table_of_mtpolicyd_is_looked_at_and_left_as_it_is()
    {
        Write("mtpolicyd.db", MtpolicydTables.Sqlite, MtpolicydTables.Rows);
        var before = Hash();
        var result = await Check($"dbi:SQLite:dbname={_folder["mtpolicyd.db"]}");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains(
            "db: at the next start: table acct_client_address: 1 duplicate row of one key and time merged\n",
            result.Output,
            StringComparison.Ordinal);
        Assert.Contains(
            "db: at the next start: table acct_client_address: a unique key on key and time added\n",
            result.Output,
            StringComparison.Ordinal);
        Assert.Contains("db: at the next start: table acct_sender: created\n", result.Output, StringComparison.Ordinal);
        Assert.Equal(before, Hash());
    }

    [Theory]
    [InlineData("a name with # and % in it?.db")]
    [InlineData("plain.db")]
    public async Task Database_of_ours_at_rest_is_ready_and_left_without_a_trace(string name)
    {
        Write(
            name,
            "PRAGMA journal_mode = WAL",
            MtpolicydTables.Sqlite,
            "CREATE UNIQUE INDEX u ON acct_client_address (`key`, `time`)",
            "CREATE TABLE acct_sender (`key` TEXT, `time` TEXT, PRIMARY KEY (`key`, `time`))");
        var before = Hash();
        var result = await Check($"Data Source={_folder[name]}", "provider = SQLite");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.EndsWith("db: table acct_client_address: ready\ndb: table acct_sender: ready\n", result.Output, StringComparison.Ordinal);
        Assert.Equal(before, Hash());
    }

    [Fact]
    public async Task Tables_of_a_server_before_versions_are_to_be_upgraded_and_left_as_they_are()
    {
        Write("old.db", "CREATE TABLE policyd_commits (node TEXT, seq INTEGER, at INTEGER, ids BLOB, PRIMARY KEY (node, seq))");
        var before = Hash();
        var result = await Check($"dbi:SQLite:dbname={_folder["old.db"]}");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("db: at the next start: table policyd_commits: column format added\n", result.Output, StringComparison.Ordinal);
        Assert.Contains(
            "db: at the next start: tables of counters: upgraded from version 1 to version 2\n", result.Output, StringComparison.Ordinal);
        Assert.Equal(before, Hash());
    }

    [Fact]
    public async Task Tables_of_a_newer_server_are_an_error_of_check_and_of_a_start()
    {
        Write(
            "newer.db",
            "CREATE TABLE policyd_schema (component varchar(64) NOT NULL PRIMARY KEY, version integer NOT NULL)",
            "INSERT INTO policyd_schema VALUES ('counters', 3)");
        var before = Hash();
        var configuration = Configure($"dbi:SQLite:dbname={_folder["newer.db"]}", "");
        var expected = $"{configuration}:2:42: connection db: SQLite file {_folder["newer.db"]}: the tables of counters "
            + "(policyd_schema) have version 3, and this server knows no version after 2; run the version of policyd that changed them, or "
            + "a newer one\n";
        foreach (var command in new[] { "check", "serve" })
        {
            var result = await Command.RunAsync("", command, "-c", configuration);
            Assert.Equal(expected, result.Error);
            Assert.Equal(78, result.ExitCode);
        }

        Assert.Equal(before, Hash());
    }

    [Fact]
    public async Task Database_that_is_being_written_is_read_as_it_is_now()
    {
        Write("live.db", "PRAGMA journal_mode = WAL", MtpolicydTables.Sqlite);
        await using var writer = new SqliteConnection($"Data Source={_folder["live.db"]};Pooling=False");
        await writer.OpenAsync(Cancel);
        await using var command = writer.CreateCommand();
        command.CommandText = "CREATE TABLE acct_sender (`key` TEXT, `time` TEXT, PRIMARY KEY (`key`, `time`))";
        await command.ExecuteNonQueryAsync(Cancel);
        Assert.True(File.Exists(_folder["live.db-wal"]), "what was written stands in the log only");
        var result = await Check($"dbi:SQLite:dbname={_folder["live.db"]}");
        Assert.Contains("db: table acct_sender: ready\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_that_is_not_there_is_not_made()
    {
        var result = await Check($"dbi:SQLite:dbname={_folder["none.db"]}");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains(
            $"db: at the next start: table acct_client_address: created, in the new file {_folder["none.db"]}\n",
            result.Output,
            StringComparison.Ordinal);
        Assert.Equal(["policyd.hocon"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Database_that_is_away_or_silent_is_a_warning_and_offline_asks_nobody()
    {
        var refused = await Check($"dbi:mysql:database=x;host=127.0.0.1;port={FreePort.Next()}");
        Assert.Equal(0, refused.ExitCode);
        Assert.StartsWith("db: warning: ", refused.Error, StringComparison.Ordinal);
        Assert.EndsWith("the changes that a start would make to its tables are unknown\n", refused.Error, StringComparison.Ordinal);

        // Takes connections, and never says a word.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen();
        var dsn = $"dbi:Pg:dbname=x;host=127.0.0.1;port={((IPEndPoint)silent.LocalEndPoint!).Port}";
        var waited = await Check(dsn);
        Assert.Equal(
            (0, "db: warning: the database did not answer within 5 s; the changes that a start would make to its tables are unknown\n"),
            (waited.ExitCode, waited.Error));

        var offline = await Command.RunAsync("", "check", "--offline", "-c", Configure(dsn, ""));
        Assert.Equal((0, "", $"{_folder["policyd.hocon"]}: no errors\n"), (offline.ExitCode, offline.Error, offline.Output));
    }

    [Fact]
    public async Task Cron_ends_with_70_when_a_task_failed()
    {
        var result = await Command.RunAsync(
            "", "cron", "hourly", "-c", Configure($"dbi:mysql:database=x;host=127.0.0.1;port={FreePort.Next()}", ""));
        Assert.Equal(70, result.ExitCode);
        Assert.Single(
            result.Error.TrimEnd('\n').Split('\n'),
            line => line.Contains("cron of the counters of connection db failed", StringComparison.Ordinal));
        var fine = await Command.RunAsync("", "cron", "hourly", "-c", Configure($"dbi:SQLite:dbname={_folder["fine.db"]}", ""));
        Assert.Equal(("", 0), (fine.Error, fine.ExitCode));
    }

    public void Dispose() => _folder.Dispose();

    private Task<CommandResult> Check(string dsn, string provider = "") => Command.RunAsync("", "check", "-c", Configure(dsn, provider));

    private string Configure(string dsn, string provider) => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:12345"]
          connections { db { module = Sql, dsn = "{{dsn}}", user = x, {{provider}} } }
          virtual_hosts = [ { name = counting, port = 12345, plugins = [ { name = a, module = Accounting, fields = "client_address,sender" } ] } ] }
        """);

    private void Write(string name, params string[] statements)
    {
        foreach (var statement in statements)
        {
            SqliteFile.Execute(_folder[name], statement);
        }
    }

    /// <summary>Every file of the folder but the configuration, with its bytes.</summary>
    private string[] Hash() =>
        [.. Directory.GetFiles(_folder.Path).Where(file => !file.EndsWith(".hocon", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
            .Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))}")];
}
