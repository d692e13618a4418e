using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// A database that is slow, silent or away under the whole server: what is slow is waited for, what is silent holds up neither ports nor
/// answers, and what a stop could not write is told to the mail.
/// </summary>
[ServerTest]
public sealed partial class SlowDatabaseSpecs(MariaDbServer mariaDb, PostgresServer postgres, ITestOutputHelper output) : IDisposable
{
    // As the log has it when a mail is answered without its count; at level 4 of the plugin.
    private const string Deferred = "answered before the mail was counted";

    // A database that was stopped starts again, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Theory]
    [InlineData(SqlProvider.SQLite, "BEGIN EXCLUSIVE", "ROLLBACK")]
    [InlineData(SqlProvider.PostgreSQL, "BEGIN; LOCK TABLE acct_sender", "ROLLBACK")]
    [InlineData(SqlProvider.MySQL, "LOCK TABLES acct_sender WRITE", "UNLOCK TABLES")]
    public async Task Table_that_somebody_locks_makes_mail_wait_and_the_log_says_for_what(
        SqlProvider provider, string lockIt, string unlock)
    {
        var (dsn, user) = provider switch
        {
            SqlProvider.SQLite => ($"dbi:SQLite:dbname={_folder["counters.db"]}", null),
            SqlProvider.PostgreSQL => (await postgres.NewDatabase(), "postgres"),
            _ => (await mariaDb.NewDatabase(), "policyd"),
        };
        await using var server = await PolicydProcess.Serve(Configure(dsn, user), _port, "-l", "4");
        await using var clients = new ResendingClients(_port, clients: 4);
        await clients.More(20);
        await using (var database = Database(dsn, user))
        await using (var other = await database.OpenAsync(TestContext.Current.CancellationToken))
        {
            await ExecuteAsync(other, lockIt);
            await server.Prints("db: the database is slow: writing counters of acct_sender has taken", s_timeout);
            await ExecuteAsync(other, unlock);
        }

        await server.Prints("db: writing counters of acct_sender took", s_timeout);
        await clients.More(20);
        await clients.EndAsync();
        await CountsAsync(clients, dsn, user, server);
        var deferred = server.Lines.Count(line => line.Contains(Deferred, StringComparison.Ordinal));
        Summary.Line(
            output,
            $"{provider}, a table that is locked: {clients.Answered} mails answered and counted, {deferred} of "
                + $"them before they were counted");
        Assert.Equal(0, deferred);
    }

    [Theory, InlineData("Pg"), InlineData("mysql")]
    public async Task Server_that_accepts_and_says_nothing_holds_up_neither_the_ports_nor_the_answers(string driver)
    {
        await using var silent = new AcceptLoop(async (socket, ct) =>
        {
            using (socket)
            {
                await Task.Delay(Timeout.Infinite, ct).ContinueWith(static _ => { }, TaskScheduler.Default);
            }
        });
        var dsn = string.Create(CultureInfo.InvariantCulture, $"dbi:{driver}:dbname=d;host=127.0.0.1;port={silent.Port}");
        await using var server = await PolicydProcess.Serve(Configure(dsn, "u", seconds: 2, quota: true), _port);

        // That line comes after ten seconds: the ports have not waited for it.
        Assert.DoesNotContain(server.Lines, line => line.Contains("cannot be prepared", StringComparison.Ordinal));
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);
        for (var mail = 0; mail < 2; mail++)
        {
            Assert.Equal("dunno", await new MailUnderTest("a@example.com", $"silent.{mail}").Ask(client));
        }

        await server.Prints("q: acct_sender: the counters timed out after ");
        await server.Prints("a: acct_sender: the counters timed out after ");
    }

    [Fact]
    public async Task Database_that_freezes_lets_every_mail_go_on_in_time_and_counts_each_when_it_thaws()
    {
        await using var frozen = new MariaDbServer();
        var dsn = await frozen.NewDatabase();
        await using var server = await PolicydProcess.Serve(Configure(dsn, "policyd", seconds: 2), _port);
        await using var clients = new ResendingClients(_port, clients: 4);
        await clients.More(20);
        var processes = frozen.Freeze();
        await clients.More(12);
        ProcessUnderTest.Thaw(processes);
        await clients.More(20);
        await clients.EndAsync();
        Assert.Equal(0, clients.Resent);
        await CountsAsync(clients, dsn, "policyd", server);
    }

    [Fact]
    public async Task Clean_stop_without_the_database_tells_of_each_table_how_many_mails_are_not_counted()
    {
        await using var stopped = new PostgresServer();
        var dsn = await stopped.NewDatabase();
        await using var server = await PolicydProcess.Serve(Configure(dsn, "postgres", spool: "off"), _port);
        await using var clients = new ResendingClients(_port, clients: 4);
        await clients.More(20);
        await stopped.Stop();
        await server.Prints("db: counters cannot be written; they are kept in memory and retried", s_timeout);
        await clients.More(20);
        await clients.EndAsync();
        server.Terminate();
        Assert.Equal(0, await server.Exits(s_timeout));
        Assert.DoesNotContain(server.Lines, line => line.Contains("akka", StringComparison.OrdinalIgnoreCase));
        var lost = Lost().Match(Assert.Single(server.Lines, line => Lost().IsMatch(line)));
        await stopped.Start();
        var counted = await CountAsync(dsn, "postgres");
        Summary.Line(
            output,
            $"a clean stop without PostgreSQL: {clients.Answered} mails answered, {counted} counted, "
                + $"{lost.Groups[1].Value} told not to be");
        Assert.Equal(clients.Answered, counted + long.Parse(lost.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    public void Dispose() => _folder.Dispose();

    private static SqlDatabase Database(string dsn, string? user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        return SqlDatabase.Create(new SqlConnectionOptions { Dsn = parsed!, User = user, Password = user is null ? null : "secret" });
    }

    private static async Task ExecuteAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = (int)s_timeout.TotalSeconds;
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<long> CountAsync(string dsn, string? user)
    {
        await using var database = Database(dsn, user);
        await using var connection = await database.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT sum(count) FROM acct_sender";
        return Convert.ToInt64(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
    }

    private static async Task CountsAsync(ResendingClients clients, string dsn, string? user, ProcessUnderTest server)
    {
        var counted = 0L;
        await Eventually.Settles(
            () => $"{clients.Answered} mails in the table, not {counted}; the server printed:\n{string.Join('\n', server.Lines)}",
            async () => (counted = await CountAsync(dsn, user)) >= clients.Answered,
            s_timeout);
        Assert.Equal(clients.Answered, counted);
    }

    [GeneratedRegex(@"db: stopped, and counters of acct_sender could not be written \(mails: (\d+), rows: \d+\)")]
    private static partial Regex Lost();

    private string Configure(string dsn, string? user, int seconds = 20, bool quota = false, string? spool = null) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], cron { enabled = off }, request_timeout = {{seconds}}s
          spool { directory = "{{spool ?? _folder["spool"]}}" }
          connections { db { module = Sql, dsn = "{{dsn}}"{{(user is null ? "" : $", user = {user}, password = secret")}} } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [
            {{(quota ? "{ name = q, module = Quota, field = sender, metric = count, threshold = 100 }" : "")}}
            { name = a, module = Accounting, fields = sender } ] } ] }
        """);
}
