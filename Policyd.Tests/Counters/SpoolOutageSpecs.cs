using System.Globalization;
using Microsoft.Data.Sqlite;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// The server is killed while the database is away: each mail that was answered is counted once when everything is back. A spool that takes
/// nothing leaves the answer to on_error.
/// </summary>
[ServerTest]
[SoakTest("servers are killed while databases are away, several times each")]
public sealed class SpoolOutageSpecs(ITestOutputHelper output) : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task MariaDb_is_stopped_and_the_server_is_killed_ten_times()
    {
        await using var mariaDb = new MariaDbServer();
        var dsn = await mariaDb.NewDatabase();
        await KillInOutageAsync("MariaDB stopped", dsn, "policyd", mariaDb.Stop, mariaDb.Start, kills: 10);
    }

    [Fact]
    public async Task PostgreSql_is_stopped_and_the_server_is_killed_ten_times()
    {
        await using var postgres = new PostgresServer();
        var dsn = await postgres.NewDatabase();
        await KillInOutageAsync("PostgreSQL stopped", dsn, "postgres", postgres.Stop, postgres.Start, kills: 10);
    }

    [Fact]
    public async Task Sqlite_is_locked_and_the_server_is_killed()
    {
        var file = _folder["counters.db"];
        SqliteFile.Execute(file, "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
        await using var other = new SqliteConnection($"Data Source={file};Pooling=False");
        other.Open();
        await KillInOutageAsync(
            "SQLite locked", $"dbi:SQLite:dbname={file}", null, () => LockAsync("BEGIN IMMEDIATE"), () => LockAsync("ROLLBACK"), kills: 2);

        async Task LockAsync(string sql)
        {
            await using var locking = other.CreateCommand();
            locking.CommandText = sql;
            locking.CommandTimeout = (int)s_timeout.TotalSeconds;
            await locking.ExecuteNonQueryAsync(Cancel);
        }
    }

    [Fact]
    public async Task Server_starts_a_day_later_when_old_request_ids_are_purged()
    {
        await using var postgres = new PostgresServer();
        var dsn = await postgres.NewDatabase();
        var configuration = Configure(dsn, "postgres");
        await using var clients = new ResendingClients(_port, clients: 8);
        await using (var server = await PolicydProcess.Serve(configuration, _port))
        {
            await clients.More(50);
            await postgres.Stop();
            await clients.More(100);
            await clients.EndAsync();
            server.Kill();
            await server.Exits();
        }

        await postgres.Start();
        await using (var database = Open(dsn, "postgres"))
        await using (var store = database.CreateCounterStore())
        {
            await store.PurgeRequestIdsAsync(DateTimeOffset.UtcNow.AddDays(1), Cancel);
        }

        await using var later = await PolicydProcess.Serve(configuration, _port);
        await CountsAsync("a day later", later, clients.Answered, dsn, "postgres");
        await IsEmptyAsync();
    }

    [Theory, InlineData("full"), InlineData("on a full disk"), InlineData("read-only")]
    public async Task Spool_that_takes_nothing_leaves_the_answer_to_on_error(string how)
    {
        await using var mariaDb = new MariaDbServer();
        var dsn = await mariaDb.NewDatabase();
        var disk = _folder["disk"];
        Directory.CreateDirectory(disk);
        await using var small = how == "full" ? null : await SmallDisk.MountAsync(disk, "16k");
        await RefuseAsync(how, disk, mariaDb, dsn);
    }

    private async Task RefuseAsync(string how, string disk, MariaDbServer mariaDb, string dsn)
    {
        var size = how == "full" ? "4 KiB" : "1 MiB";
        var configuration = Configure(
            dsn, "policyd", $"spool {{ directory = \"{disk}\", max_size = {size} }}", ", on_error = \"defer try later\"");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var counted = await AskAsync("before", 20);
        Assert.Equal(20, counted);
        await mariaDb.Stop();
        if (how == "read-only")
        {
            await ProcessUnderTest.Run(Needs.Program("mount"), "-o", "remount,ro", disk);
        }

        var during = await AskAsync("during", 300);
        output.WriteLine($"{how}: {during} of 300 taken");
        Assert.InRange(during, how == "read-only" ? 0 : 1, 299);
        await server.Prints("counts refused, since the database is away and the spool takes nothing", s_timeout);
        await mariaDb.Start();
        await server.Prints("the database is back, counters are being written", s_timeout);
        var after = 0;
        await Eventually.Holds("mails to be counted again", async () => (after += await AskAsync($"after{after}", 1)) > 0, s_timeout);
        await CountsAsync($"a spool that is {how}", server, counted + during + after, dsn, "policyd");
    }

    private async Task KillInOutageAsync(string what, string dsn, string? user, Func<Task> leave, Func<Task> comeBack, int kills)
    {
        var configuration = Configure(dsn, user);
        await using var server = await RestartedPolicyd.Serve(configuration, _port);
        await using var clients = new ResendingClients(_port, clients: 8);
        await clients.More(50);
        await leave();
        var before = clients.Answered;
        for (var kill = 0; kill < kills; kill++)
        {
            await clients.More(50);
            await server.KillAndServe();
        }

        await clients.More(50);
        var during = clients.Answered - before;
        await comeBack();
        await clients.More(50);
        await clients.EndAsync();
        await CountsAsync(
            $"{what}, the server killed {kills} times, {during} mails answered meanwhile", server.Process, clients.Answered, dsn, user);
        server.Process.Terminate();
        Assert.Equal(0, await server.Process.Exits(s_timeout));
        await IsEmptyAsync();
    }

    private Task IsEmptyAsync() => Eventually.Holds(
        "all spool files to be gone",
        () => !Directory.Exists(_folder["spool"]) || Directory.GetFiles(_folder["spool"]).Length == 0,
        s_timeout);

    private async Task<int> AskAsync(string name, int mails)
    {
        var taken = 0;
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        for (var mail = 0; mail < mails; mail++)
        {
            var action = await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy()
                    .Add("protocol_state", "END-OF-MESSAGE")
                    .Add("sender", $"u{mail % 3}@example.com")
                    .Add("instance", $"{name}.{mail}")
                    .Add("size", "10")
                    .ToBytes(),
                Cancel);
            Assert.True(action is "dunno" or "defer try later", action);
            taken += action == "dunno" ? 1 : 0;
        }

        return taken;
    }

    private async Task CountsAsync(string what, ProcessUnderTest server, int answered, string dsn, string? user)
    {
        var counted = 0L;
        await Eventually.Settles(
            () => $"{what}: {answered} mails in the table, not {counted}; the server printed:\n{string.Join('\n', server.Lines)}",
            async () => (counted = await CountAsync(dsn, user)) >= answered,
            s_timeout);
        Summary.Line(output, $"{what}: {answered} mails answered, {counted} mails counted");
        Assert.Equal(answered, counted);
    }

    private static SqlDatabase Open(string dsn, string? user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        return SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = parsed!, User = user, Password = user is null ? null : "secret" });
    }

    private static async Task<long> CountAsync(string dsn, string? user)
    {
        await using var database = Open(dsn, user);
        await using var connection = await database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT sum(count) FROM acct_sender";
        return Convert.ToInt64(await command.ExecuteScalarAsync(Cancel), CultureInfo.InvariantCulture);
    }

    private string Configure(string dsn, string? user, string server = "", string plugin = "") => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], cron { enabled = off }
          {{server}}
          connections { db { module = Sql, dsn = "{{dsn}}"{{(user is null ? "" : $", user = {user}, password = secret")}} } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ { name = a, module = Accounting, fields = sender{{plugin}} } ] } ] }
        """);
}
