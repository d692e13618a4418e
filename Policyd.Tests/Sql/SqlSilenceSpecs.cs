using System.Data.Common;
using System.Diagnostics;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>
/// Databases that hold their connections and say nothing: each request is answered in its time, the modules share what they know of the
/// database, and all is used again when it answers. And connections that only serve to read.
/// </summary>
[ServerTest]
public sealed class SqlSilenceSpecs(MariaDbServer mariaDb, PostgresServer postgres, ITestOutputHelper output)
{
    private const int Clients = 16;
    private const string Deferred = "defer greylisting is active";

    private const string Plugins = """
        { name = uc, module = SqlUserConfig, field = recipient, sql_query = "SELECT 'x' WHERE ? = 'nobody'", on_error = continue }
        { name = l, module = SqlList, field = recipient, sql_query = "SELECT 1 WHERE ? = 'nobody'", match_action = "reject listed", on_error = continue }
        { name = h, module = Honeypot, store = Sql, recipients = nobody }
        { name = g1, module = Greylist, score = 1, ticket { module = Sql } }
        { name = g2, module = Greylist, score = 1, ticket { module = Sql } }
        """;

    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(2);
    private int _mails;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task A_frozen_database_costs_no_request_its_answer_and_is_used_again_when_it_is_thawed(string kind)
    {
        await using var ownPostgres = new PostgresServer();
        await using var ownMariaDb = new MariaDbServer();
        var dsn = kind == "MariaDB" ? await ownMariaDb.NewDatabase() : await ownPostgres.NewDatabase();
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), Plugins);
        await Eventually.Holds("greylisting", async () => await AskAsync(policy) == Deferred, s_timeout);
        await RoundAsync(policy, "well");
        var frozen = kind == "MariaDB" ? ownMariaDb.Freeze() : ownPostgres.Freeze();
        try
        {
            await RoundAsync(policy, $"{kind} frozen");
            await RoundAsync(policy, $"{kind} frozen for a while");
        }
        finally
        {
            ProcessUnderTest.Thaw(frozen);
        }

        await Eventually.Holds("greylisting again", async () => await AskAsync(policy) == Deferred, s_timeout);
    }

    [Theory]
    [InlineData("dbi:Pg:dbname=x;host=127.0.0.1;port=")]
    [InlineData("dbi:mysql:database=x;host=127.0.0.1;port=")]
    public async Task A_server_that_accepts_and_says_nothing_holds_neither_the_start_nor_a_request(string dsn)
    {
        await using var silent = new OneAnswerServer([]);
        var start = Stopwatch.StartNew();
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn + silent.Port), Plugins);
        output.WriteLine($"ports open after {start.Elapsed.TotalSeconds:0.0} s");
        await RoundAsync(policy, "silent");
        await RoundAsync(policy, "silent for a while");
    }

    [Theory]
    [InlineData("PostgreSQL", "SELECT pg_sleep(600)")]
    [InlineData("MariaDB", "SELECT SLEEP(600)")]
    public async Task A_connection_that_waits_for_its_server_can_be_closed_at_once(string kind, string sleep)
    {
        await using var database = await DatabaseAsync(kind);
        await using (var connection = await database.OpenAsync(Cancel))
        {
            await using var command = connection.CreateCommand();
            command.CommandText = sleep;
            var running = command.ExecuteScalarAsync(CancellationToken.None);
            Assert.True(DriverSockets.Close(connection), "the driver keeps its socket elsewhere than it did");
            await Assert.ThrowsAnyAsync<Exception>(() => Eventually.Ends("a statement whose socket is closed", running));
        }

        await using var other = await database.OpenAsync(Cancel);
        await using var alive = other.CreateCommand();
        alive.CommandText = "SELECT 1";
        Assert.Equal(1L, Convert.ToInt64(await alive.ExecuteScalarAsync(Cancel), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("PostgreSQL", "SELECT pg_sleep(600) WHERE ? <> ''")]
    [InlineData("MariaDB", "SELECT SLEEP(600) WHERE ? <> ''")]
    public async Task A_statement_that_is_only_slow_ends_at_its_deadline_and_does_not_stop_the_others(string kind, string sleep)
    {
        await using var database = await DatabaseAsync(kind);
        var (slow, quick) = (SqlQuery.Parse(sleep, database.Provider), SqlQuery.Parse("SELECT ?", database.Provider));
        for (var round = 0; round < 3; round++)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
            await Assert.ThrowsAsync<SqlAwayException>(() => Eventually.Ends(
                "a slow statement", database.CallAsync(slow, ["x"], (command, ct) => command.ExecuteScalarAsync(ct), deadline.Token)));
            Assert.Equal("y", await database.CallAsync(quick, ["y"], (command, ct) => command.ExecuteScalarAsync(ct), Cancel));
        }
    }

    [Fact]
    public async Task A_statement_that_refused_a_value_takes_the_next_one_on_the_same_connection()
    {
        await using var database = await DatabaseAsync("PostgreSQL");
        await ExecuteAsync(database, "CREATE TABLE t (id integer); INSERT INTO t VALUES (5)");
        var query = SqlQuery.Parse("SELECT id FROM t WHERE id = ?", database.Provider);
        await using var connection = await database.OpenForCallAsync(Cancel);
        foreach (var value in (string[])["many", "99999999999999999999", "5", "many", "5", "99999999999999999999", "5"])
        {
            await using var command = query.CreateCommand(connection, value);
            var found = await command.ExecuteScalarAsync(Cancel).ContinueWith(done => done.Exception is { } e
                ? e.InnerException is DbException known && database.CannotHold(known, [value]) ? null : throw e
                : done.Result, TaskScheduler.Default);
            Assert.Equal(value == "5" ? 5 : null, found);
        }
    }

    [Fact]
    public async Task A_write_that_may_have_been_applied_is_not_done_twice()
    {
        await using var database = await DatabaseAsync("PostgreSQL");
        await ExecuteAsync(database, "CREATE TABLE t (n integer)");
        var runs = 0;
        var query = SqlQuery.Parse("INSERT INTO t VALUES (1)", database.Provider);
        await Assert.ThrowsAsync<SqlAwayException>(() => database.CallAsync(query, [], async (command, ct) =>
        {
            runs++;
            await command.ExecuteNonQueryAsync(ct);
            DriverSockets.Close(command.Connection!);
            return await command.ExecuteScalarAsync(ct);
        }, Cancel, isRepeatable: false));
        Assert.Equal(1, runs);
    }

    [Theory]
    [InlineData("PostgreSQL", "SELECT pg_backend_pid()")]
    [InlineData("MariaDB", "SELECT CONNECTION_ID()")]
    public async Task A_connection_that_was_given_up_does_not_come_back_from_the_pool(string kind, string whose)
    {
        await using var database = await DatabaseAsync(kind);
        var seen = new HashSet<string>();
        for (var round = 0; round < 3; round++)
        {
            await using var connection = await database.OpenAsync(Cancel);
            await using var command = connection.CreateCommand();
            command.CommandText = whose;
            Assert.True(seen.Add($"{await command.ExecuteScalarAsync(Cancel)}"), "the connection came back");
            database.GiveUp(connection, new IOException("gone"));
        }
    }

    [Fact]
    public async Task Counts_are_written_when_a_read_only_database_takes_writes_again()
    {
        var dsn = await postgres.NewDatabase();
        await using var database = Open(dsn + ";options='-c default_transaction_read_only=off'", "postgres");
        await using var policy = await SqlPolicy.ServeAsync(Connection(dsn), "{ name = a, module = Accounting, fields = client_address }");
        await policy.AskAsync(("client_address", "192.0.2.1"), ("protocol_state", "RCPT"));
        await CountIsAsync(policy, database, 1);
        await ExecuteAsync(
            database, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$");
        await ExecuteAsync(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        for (var mail = 0; mail < 20; mail++)
        {
            Assert.Equal("dunno", await policy.AskAsync(("client_address", "192.0.2.1")));
        }

        await Eventually.Holds(
            "the refusal in the log",
            () => policy.Server.Lines.Any(line => line.Contains("read-only", StringComparison.Ordinal)),
            s_timeout);
        await ExecuteAsync(
            database, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$");
        await CountIsAsync(policy, database, 21);
        policy.Server.Terminate();
        Assert.Equal(0, await policy.Server.Exits(s_timeout));
    }

    private static Task CountIsAsync(SqlPolicy policy, SqlDatabase database, long expected) => Eventually.Settles(
        () => $"{expected} mails in the table; the server printed:\n{string.Join('\n', policy.Server.Lines.TakeLast(20))}", async () =>
        {
            await using var connection = await database.OpenAsync(Cancel);
            await using var command = connection.CreateCommand();
            command.CommandText = "SELECT coalesce(sum(count), 0)::bigint FROM acct_client_address";
            try
            {
                return await command.ExecuteScalarAsync(Cancel) is long count && count == expected;
            }
            catch (DbException)
            {
                return false;
            }
        }, s_timeout);

    private static async Task ExecuteAsync(SqlDatabase database, string sql)
    {
        await using var connection = await database.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private static string Connection(string dsn) =>
        $"dsn = \"{dsn}\", " + (dsn.StartsWith("dbi:mysql", StringComparison.Ordinal)
            ? "user = policyd, password = secret"
            : "user = postgres");

    private static SqlDatabase Open(string dsn, string user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out _));
        return SqlDatabase.Create(new SqlConnectionOptions { Dsn = parsed!, User = user, Password = "secret" });
    }

    private async Task<SqlDatabase> DatabaseAsync(string kind) =>
        kind == "MariaDB" ? Open(await mariaDb.NewDatabase(), "policyd") : Open(await postgres.NewDatabase(), "postgres");

    private async Task<string> AskAsync(SqlPolicy policy) =>
        await policy.AskAsync(
            ("client_address", "192.0.2.1"),
            ("sender", "a@example.org"),
            ("recipient", $"r{Interlocked.Increment(ref _mails)}@example.net"));

    // As many clients at once, each with a connection and two mails: nobody may be left without an answer.
    private async Task RoundAsync(SqlPolicy policy, string what)
    {
        var slowest = TimeSpan.Zero;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            await using var client = await policy.ConnectAsync();
            for (var mail = 0; mail < 2; mail++)
            {
                var number = Interlocked.Increment(ref _mails);
                var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "RCPT").Add("instance", $"s.{number}")
                    .Add("client_address", "192.0.2.1").Add("sender", "a@example.org").Add("recipient", $"r{number}@example.net");
                var began = Stopwatch.StartNew();
                Assert.True(await client.AskAsync(request.ToBytes(), Cancel) is Deferred or "dunno");
                lock (policy)
                {
                    slowest = began.Elapsed > slowest ? began.Elapsed : slowest;
                }
            }
        }));
        Summary.Line(output, $"{what}: {Clients * 2} of {Clients * 2} requests answered, the slowest after {slowest.TotalSeconds:0.0} s");
    }
}
