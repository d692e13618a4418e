using System.Globalization;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>The database goes away under the whole server: every request is answered, and in the end every answered mail is counted once.</summary>
public sealed class DatabaseOutageSpecs(ITestOutputHelper output) : IDisposable
{
    private const int Outages = 3;
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Fact]
    public async Task PostgreSql_that_is_stopped_and_started_under_load_stops_no_mail_and_loses_no_count()
    {
        await using var postgres = new PostgresServer();
        await SurviveAsync("PostgreSQL", await postgres.NewDatabase(), "postgres", postgres.Stop, postgres.Start);
    }

    [Fact]
    public async Task MariaDb_that_is_stopped_and_started_under_load_stops_no_mail_and_loses_no_count()
    {
        await using var mariaDb = new MariaDbServer();
        await SurviveAsync("MariaDB", await mariaDb.NewDatabase(), "policyd", mariaDb.Stop, mariaDb.Start);
    }

    [Fact]
    public async Task PostgreSql_that_is_killed_and_started_under_load_stops_no_mail_and_loses_no_count()
    {
        await using var postgres = new PostgresServer();
        await SurviveAsync("PostgreSQL", await postgres.NewDatabase(), "postgres", postgres.Kill, postgres.Start, "killed");
    }

    [Fact]
    public async Task MariaDb_that_is_killed_and_started_under_load_stops_no_mail_and_loses_no_count()
    {
        await using var mariaDb = new MariaDbServer();
        await SurviveAsync("MariaDB", await mariaDb.NewDatabase(), "policyd", mariaDb.Kill, mariaDb.Start, "killed");
    }

    [Fact]
    public async Task Full_disk_stops_no_mail_and_when_there_is_room_again_the_counts_are_right()
    {
        Needs.Root();
        var disk = _folder["disk"];
        Directory.CreateDirectory(disk);

        // More than SQLite's log may grow to (32 MB), or the counters alone would fill it.
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("mount"), "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk);
        if (code != 0)
        {
            Needs.Missing<object>($"no small disk can be mounted: {text}");
        }

        try
        {
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
                await PrintsAsync(server, "the database is back", outage);
                await clients.More(50);
            }

            await clients.EndAsync();
            await CountsAsync("a full disk", server, clients, $"dbi:SQLite:dbname={disk}/counters.db", null);
            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }
        finally
        {
            await ProcessUnderTest.Run(Needs.Program("umount"), "-l", disk);
        }
    }

    [Fact]
    public async Task Read_only_file_is_told_and_mail_goes_on()
    {
        var file = _folder["counters.db"];
        await using (var made = new SqliteConnection($"Data Source={file}"))
        {
            made.Open();
            await using var command = made.CreateCommand();
            command.CommandText = "CREATE TABLE t (x)";
            command.ExecuteNonQuery();
        }

        await using var server = await PolicydProcess.Serve(Configure($"Data Source={file};Mode=ReadOnly", null, "provider = SQLite"), _port);
        await using var clients = new ResendingClients(_port, clients: 2);
        await clients.More(100);
        await clients.EndAsync();
        await server.Prints("read-only");
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    public void Dispose() => _folder.Dispose();

    private static Task PrintsAsync(ProcessUnderTest server, string part, int times) =>
        Eventually.Settles(() => $"\"{part}\" to be printed {times} times; it printed:\n{string.Join('\n', server.Lines)}", () => Task.FromResult(server.Lines.Count(line => line.Contains(part, StringComparison.Ordinal)) >= times));

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

    private async Task SurviveAsync(string name, string dsn, string user, Func<Task> stop, Func<Task> start, string how = "stopped")
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
        await CountsAsync($"{name} {how} {Outages} times, {during} mails answered meanwhile", server, clients, dsn, user);

        // A server that is killed over what it could not write would pass the test above as well.
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    private async Task CountsAsync(string what, ProcessUnderTest server, ResendingClients clients, string dsn, string? user)
    {
        var counted = 0L;
        await Eventually.Settles(
            () => $"{clients.Answered} mails in the table, not {counted}; {clients.Resent} were resent; the server printed:\n{string.Join('\n', server.Lines)}",
            async () => (counted = await CountAsync(dsn, user)) >= clients.Answered,
            TimeSpan.FromSeconds(60));
        Summary.Line(output, $"{what}: {clients.Answered} mails answered, {counted} mails counted");
        Assert.Equal(clients.Answered, counted);
    }

    private static async Task<long> CountAsync(string dsn, string? user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = parsed!, User = user, Password = user is null ? null : "secret" });
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
