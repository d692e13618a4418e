using System.Globalization;
using Microsoft.Data.Sqlite;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// The database goes away under the whole server: every request is answered, and in the end every answered mail is counted once.
/// </summary>
[ServerTest]
[SoakTest("databases stop and die under load, several times each")]
public sealed class DatabaseOutageSpecs(ITestOutputHelper output) : IDisposable
{
    private const int Outages = 3;

    // A database that was killed recovers first, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Theory, InlineData("stopped"), InlineData("killed")]
    public async Task PostgreSql_that_goes_away_under_load_stops_no_mail_and_loses_no_count(string how)
    {
        await using var postgres = new PostgresServer();
        await SurviveAsync(
            $"PostgreSQL {how}", await postgres.NewDatabase(), "postgres", how == "killed" ? postgres.Kill : postgres.Stop, postgres.Start);
    }

    [Theory, InlineData("stopped"), InlineData("killed")]
    public async Task MariaDb_that_goes_away_under_load_stops_no_mail_and_loses_no_count(string how)
    {
        await using var mariaDb = new MariaDbServer();
        await SurviveAsync(
            $"MariaDB {how}", await mariaDb.NewDatabase(), "policyd", how == "killed" ? mariaDb.Kill : mariaDb.Stop, mariaDb.Start);
    }

    [Fact]
    public async Task Machine_that_dies_with_server_and_database_loses_and_doubles_no_mail_that_was_answered()
    {
        await using var postgres = new PostgresServer();
        var dsn = await postgres.NewDatabase();
        var configuration = Configure(dsn, "postgres");
        await using var server = await RestartedPolicyd.Serve(configuration, _port);
        await using var clients = new ResendingClients(_port, clients: 8);
        for (var death = 0; death < Outages; death++)
        {
            await clients.More(100);

            // The server first, or it would answer for a database that is away what it keeps in memory alone.
            await server.KillAndServe(async () =>
            {
                await postgres.Kill();
                await postgres.Start();
            });
        }

        await clients.More(100);
        await clients.EndAsync();
        await CountsAsync(
            $"server and PostgreSQL killed together {Outages} times, {clients.Resent} requests resent",
            server.Process,
            clients,
            dsn,
            "postgres");
    }

    [Fact]
    public async Task Full_disk_stops_no_mail_and_when_there_is_room_again_the_counts_are_right()
    {
        // More than SQLite's log may grow to (32 MB), or the counters alone would fill it.
        await using var small = await SmallDisk.MountAsync(_folder["disk"], "64m");
        var disk = small.Folder;
        await using var server = await PolicydProcess.Serve(Configure($"dbi:SQLite:dbname={disk}/counters.db", null), _port);
        await using var clients = new ResendingClients(_port, clients: 4);
        await clients.More(50);
        var ballast = Path.Combine(disk, "ballast");
        for (var outage = 1; outage <= 5; outage++)
        {
            await FillAsync(ballast);
            await PrintsAsync(server, "cannot be written", outage);
            await clients.More(200);
            File.Delete(ballast);
            await PrintsAsync(server, "the database is back, counters ", outage);
            await clients.More(50);
        }

        await clients.EndAsync();
        await CountsAsync("a full disk", server, clients, $"dbi:SQLite:dbname={disk}/counters.db", null);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    [Fact]
    public async Task Read_only_file_is_told_and_mail_goes_on()
    {
        var file = _folder["counters.db"];
        SqliteFile.Execute(file, "CREATE TABLE t (x)");
        await using var server = await PolicydProcess.Serve(
            Configure($"Data Source={file};Mode=ReadOnly", null, "provider = SQLite"), _port);
        await using var clients = new ResendingClients(_port, clients: 2);
        await clients.More(100);
        await clients.EndAsync();
        await server.Prints("read-only");
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    [Theory, InlineData("a file that is new"), InlineData("a file with the log of a server that was killed")]
    public async Task Folder_that_is_read_only_stops_no_mail_and_when_it_is_writable_again_the_counts_are_right(string with)
    {
        Needs.Root();
        var folder = _folder["disk"];
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, "counters.db");
        SqliteFile.Execute(file, "CREATE TABLE t (x)");
        var dsn = $"dbi:SQLite:dbname={file}";
        await using var clients = new ResendingClients(_port, clients: 4);
        if (with.Contains("killed", StringComparison.Ordinal))
        {
            await using var before = await PolicydProcess.Serve(Configure(dsn, null), _port);
            await clients.More(50);
            before.Kill();
            await before.Exits();
        }

        // Root may write whatever its bits say, but not on a file system that is mounted read-only.
        await MountReadOnlyAsync(folder);
        try
        {
            await using var server = await PolicydProcess.Serve(Configure(dsn, null), _port);
            await clients.More(200);
            await server.Prints("cannot be written; they are kept in the spool and retried", s_timeout);
            Assert.Contains(server.Lines, line => line.Contains("the file or its folder is read-only", StringComparison.Ordinal));
            await UnmountAsync(folder);
            await PrintsAsync(server, "the database is back, counters ", 1);
            await clients.More(100);
            await clients.EndAsync();
            await CountsAsync($"a read-only folder, {with}", server, clients, dsn, null);
            server.Terminate();
            Assert.Equal(0, await server.Exits(s_timeout));
        }
        finally
        {
            await UnmountAsync(folder);
        }
    }

    [Theory, InlineData("WAL"), InlineData("DELETE")]
    public async Task File_that_another_program_locks_stops_no_mail_and_when_it_lets_go_the_counts_are_right(string journal)
    {
        var file = _folder["counters.db"];
        SqliteFile.Execute(file, $"PRAGMA journal_mode = {journal}; CREATE TABLE t (x)");
        var dsn = $"Data Source={file};Default Timeout=1";
        await using var other = new SqliteConnection($"Data Source={file};Pooling=False");
        other.Open();
        await using var locking = other.CreateCommand();

        // Locked before the server first comes: until it has been there once, the file has the journal it was made with.
        await LockAsync("BEGIN EXCLUSIVE");
        await using var server = await PolicydProcess.Serve(Configure(dsn, null, "provider = SQLite"), _port);
        await using var clients = new ResendingClients(_port, clients: 8);

        // Said when the server has waited for the lock for so long that the file counts as away.
        await PrintsAsync(server, "cannot be written", 1);
        await clients.More(200);
        await LockAsync("ROLLBACK");
        await PrintsAsync(server, "the database is back, counters are being written", 1);
        await clients.More(100);
        await clients.EndAsync();
        Assert.Equal(0, clients.Resent);
        await CountsAsync("a locked file", server, clients, dsn, null);
        server.Terminate();
        Assert.Equal(0, await server.Exits(s_timeout));

        Task LockAsync(string sql)
        {
            locking.CommandText = sql;
            locking.CommandTimeout = (int)s_timeout.TotalSeconds;
            return locking.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    public void Dispose() => _folder.Dispose();

    private static Task PrintsAsync(ProcessUnderTest server, string part, int times) =>
        Eventually.Settles(
            () => $"\"{part}\" to be printed {times} times; it printed:\n{string.Join('\n', server.Lines)}",
            () => Task.FromResult(server.Lines.Count(line => line.Contains(part, StringComparison.Ordinal)) >= times),
            s_timeout);

    private static async Task MountReadOnlyAsync(string folder)
    {
        foreach (var arguments in (string[][])[["--bind", folder, folder], ["-o", "remount,bind,ro", folder]])
        {
            var (code, text) = await ProcessUnderTest.Run(Needs.Program("mount"), arguments);
            if (code != 0)
            {
                await UnmountAsync(folder);
                Needs.Missing<object>($"no folder can be mounted read-only: {text}");
            }
        }
    }

    private static async Task UnmountAsync(string folder) => await ProcessUnderTest.Run(Needs.Program("umount"), "-l", folder);

    private static async Task FillAsync(string ballast)
    {
        await using var file = new FileStream(ballast, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (var size in (int[])[1024 * 1024, 4096])
        {
            try
            {
                while (true)
                {
                    await file.WriteAsync(new byte[size], TestContext.Current.CancellationToken);
                }
            }
            catch (IOException)
            {
                // Full: that was the aim.
            }
        }
    }

    private async Task SurviveAsync(string what, string dsn, string user, Func<Task> stop, Func<Task> start)
    {
        await using var server = await PolicydProcess.Serve(Configure(dsn, user), _port);
        await using var clients = new ResendingClients(_port, clients: 8);
        var during = 0;
        for (var outage = 0; outage < Outages; outage++)
        {
            await clients.More(100);
            await stop();
            var before = clients.Answered;
            await clients.More(100);
            during += clients.Answered - before;
            await start();
        }

        await clients.More(100);
        await clients.EndAsync();
        Assert.Equal(0, clients.Resent);
        await CountsAsync($"{what} {Outages} times, {during} mails answered meanwhile", server, clients, dsn, user);

        // A server that is killed over what it could not write would pass the test above as well.
        server.Terminate();
        Assert.Equal(0, await server.Exits(s_timeout));
    }

    private async Task CountsAsync(string what, ProcessUnderTest server, ResendingClients clients, string dsn, string? user)
    {
        var counted = 0L;
        await Eventually.Settles(
            () => $"{clients.Answered} mails in the table, not {counted}; {clients.Resent} were resent; the server "
                + $"printed:\n{string.Join('\n', server.Lines)}",
            async () => (counted = await CountAsync(dsn, user)) >= clients.Answered,
            s_timeout);
        Summary.Line(output, $"{what}: {clients.Answered} mails answered, {counted} mails counted");
        Assert.Equal(clients.Answered, counted);
    }

    private static async Task<long> CountAsync(string dsn, string? user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        await using var database = SqlDatabase.Create(
            new SqlConnectionOptions { Dsn = parsed!, User = user, Password = user is null ? null : "secret" });
        await using var connection = await database.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT sum(count) FROM acct_sender";
        return Convert.ToInt64(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
    }

    private string Configure(string dsn, string? user, string more = "") => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], cron { enabled = off }
          connections { db { module = Sql, dsn = "{{dsn}}"{{(user is null ? "" : $", user = {user}, password = secret")}}{{(more.Length > 0 ? ", " + more : "")}} } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ { name = a, module = Accounting, fields = sender } ] } ] }
        """);
}
