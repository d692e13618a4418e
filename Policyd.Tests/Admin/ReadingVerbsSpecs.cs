using System.Globalization;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary>
/// Verbs that only tell what is, or try what would be, leave nothing behind: no table, no row, no file, with a server beside them and
/// without.
/// </summary>
[ServerTest]
public sealed class ReadingVerbsSpecs(PostgresServer postgres, MariaDbServer mariaDb) : IDisposable
{
    private const string Writing = "SELECT 1 FROM (SELECT CAST(? AS text) AS address) AS one WHERE touch(one.address) = 1";

    private static readonly string[] s_request =
    [
        "protocol_state=END-OF-MESSAGE", "client_address=192.0.2.7", "sender=a@example.com", "recipient=trap@example.net", "instance=1",
        "size=10",
    ];

    private static readonly string[] s_tables =
    [
        "acct_sender", "policyd_commits", "policyd_cron_journal", "policyd_cron_snapshot", "policyd_decisions", "policyd_schema",
        "policyd_spool",
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_of_SQLite_that_is_not_there_is_not_made_and_one_that_is_stays_as_it_is()
    {
        var file = _folder["policyd.db"];
        var configuration = Configure($"dsn = \"dbi:SQLite:dbname={file}\"");
        var before = Files();
        await RunAllAsync(configuration);
        Assert.Equal(before, Files());

        await using (var server = await PolicydProcess.Serve(configuration, _port))
        {
            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }

        const string Tables = "SELECT name, sql FROM sqlite_master ORDER BY name";
        var tables = SqliteFile.Rows(file, Tables);
        Assert.Contains(tables, static table => table.StartsWith("acct_sender|", StringComparison.Ordinal));
        before = Files();
        var bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        await RunAllAsync(configuration);
        Assert.Equal(before, Files());
        Assert.Equal(bytes, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));

        await using (var server = await PolicydProcess.Serve(configuration, _port))
        {
            await RunLiveAsync(configuration);
            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }

        // A server that ends may leave the files of a write-ahead log, or remove those of the one before it.
        Assert.Equal(tables, SqliteFile.Rows(file, Tables));
        Assert.Subset(before.ToHashSet(), Files().ToHashSet());
    }

    [Fact]
    public async Task Tables_of_PostgreSQL_are_the_same_before_and_after_and_a_statement_that_writes_is_refused()
    {
        var dsn = await postgres.NewDatabase();
        await postgres.Execute(
            dsn,
            """
            CREATE TABLE touched (address text);
            CREATE FUNCTION touch(text) RETURNS int LANGUAGE sql AS 'INSERT INTO touched VALUES ($1); SELECT 1'
            """);
        var connection = $"dsn = \"{dsn}\", user = postgres, password = secret";
        await RunAllAsync(Configure(connection, $"{{ name = touch, module = SqlList, sql_query = \"{Writing}\", on_error = continue }}"));
        await RunWithAndWithoutServerAsync(
            Configure(connection),
            () => postgres.Query(dsn, "SELECT relname, relkind FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace "
                + "WHERE nspname = 'public' ORDER BY 1"));
        Assert.DoesNotContain(
            "192.0.2.7", await postgres.Query(dsn, "SELECT address FROM touched"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tables_of_MariaDB_are_the_same_before_and_after()
    {
        var dsn = await mariaDb.NewDatabase();
        await RunWithAndWithoutServerAsync(
            Configure($"dsn = \"{dsn}\", user = policyd, password = secret"),
            () => mariaDb.Query(
                $"SELECT table_name FROM information_schema.tables WHERE table_schema = '{dsn.Split('=', ';')[1]}' ORDER BY 1"));
    }

    private async Task RunWithAndWithoutServerAsync(string configuration, Func<Task<string>> tables)
    {
        var before = await tables();
        await RunAllAsync(configuration);
        Assert.Equal(before, await tables());

        await using var server = await PolicydProcess.Serve(configuration, _port);
        // MariaDB makes one table after the other, each for all to see.
        await Eventually.Holds(
            "all tables of the server",
            async () => await tables() is var now && s_tables.All(table => now.Contains(table, StringComparison.Ordinal)));
        before = await tables();
        await RunLiveAsync(configuration);
        await RunAllAsync(configuration);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.Equal(before, await tables());
        Assert.DoesNotContain("policyd_expiring", before, StringComparison.Ordinal);
    }

    private async Task RunAllAsync(string configuration)
    {
        var recording = _folder.Write(
            "requests.jsonl",
            """
            {"time":"2026-11-28T10:00:00Z","message":"request answered","virtual_host":"x","action":"dunno","request":
            """.TrimEnd()
            + """
            {"protocol_state":"END-OF-MESSAGE","sender":"a@example.com","recipient":"trap@example.net","client_address":"192.0.2.7"}}
            """);
        await Ends(0, "explain", ["-c", configuration, .. s_request]);
        await Ends(null, "replay", [recording, "-c", configuration]);
        await Ends(null, "replay", [recording, "-c", configuration, "--counters", "live", "--against", configuration]);
        await Ends(0, "check", ["-c", configuration]);
        await Ends(0, "dump", ["-c", configuration]);
        await Ends(null, "decisions", ["-c", configuration, "--user", "bob"]);
        File.Delete(recording);
    }

    private static async Task RunLiveAsync(string configuration)
    {
        await Ends(0, "explain", ["-c", configuration, "--live", .. s_request]);
        await Ends(0, "reload", ["-c", configuration, "--dry-run"]);
        await Ends(0, "status", ["-c", configuration]);
        await Ends(0, "counter", ["list", "sender", "-c", configuration]);
        await Ends(0, "cron", ["list", "-c", configuration]);
    }

    private static async Task Ends(int? exitCode, string verb, string[] arguments)
    {
        var result = await Command.RunAsync("", [verb, .. arguments]);
        Assert.True(
            exitCode is null ? result.ExitCode is 0 or 1 : result.ExitCode == exitCode,
            string.Create(CultureInfo.InvariantCulture, $"{verb}: exit code {result.ExitCode}\n{result.Output}{result.Error}"));
    }

    private string[] Files() => [.. Directory.GetFiles(_folder.Path).Order(StringComparer.Ordinal)];

    private string Configure(string connection, string more = "") => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }
          decisions { db = db, what = all }
          connections { db { module = Sql, {{connection}} } }
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
            {{more}}
            { name = known, module = SqlList, sql_query = "SELECT 1 FROM acct_sender WHERE count > ?", on_error = continue }
            { name = limit, module = Quota, field = sender, metric = count, threshold = 2, action = "defer full" }
            { name = acct, module = Accounting, fields = sender }
            { name = trap, module = Honeypot, recipients = "trap@example.net", store = Sql, mode = passive, score = 5 }
            { name = grey, module = Greylist, ticket { module = Sql } }
          ] } ]
        }
        """);
}
