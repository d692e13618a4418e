using System.Globalization;
using Microsoft.Data.Sqlite;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>The real executable counts: exactly under concurrency, and durably under SIGKILL.</summary>
[ServerTest]
public sealed class CountingServerSpecs(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private string DatabaseFile => _folder["counters.db"];

    [SoakTest("a quota fills under load, again and again; POLICYD_RUNS sets how often")]
    [Fact]
    public async Task Hundred_connections_on_one_key_with_threshold_hundred_are_let_in_hundred_times()
    {
        var configuration = Configure(
            "{ name = q, module = Quota, field = sender, metric = count, threshold = 100 }, { name = a, module = "
                + "Accounting, fields = sender }");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var runs = int.Parse(Environment.GetEnvironmentVariable("POLICYD_RUNS") ?? "10", CultureInfo.InvariantCulture);
        for (var run = 0; run < runs; run++)
        {
            var admitted = 0;
            await Task.WhenAll(Enumerable.Range(0, 100).Select(async connection =>
            {
                await using var client = await Connect();
                for (var mail = 0; mail < 3; mail++)
                {
                    if (await Ask(client, $"u{run}@example.com", $"{run}.{connection}.{mail}") == "dunno")
                    {
                        Interlocked.Increment(ref admitted);
                    }
                }
            }));
            Assert.Equal(100, admitted);
            Assert.Equal(100, Count($"u{run}@example.com"));
        }

        Summary.Line(output, $"100 connections, threshold 100: 100 mails let in and counted in each of {runs} runs");
    }

    [Fact]
    public async Task Mail_that_is_refused_later_in_the_chain_gives_its_place_back()
    {
        var configuration = Configure("""
            { name = q, module = Quota, field = sender, metric = count, threshold = 1 }
            { name = no, module = Condition, key = helo_name, match = bad, action = "reject bad helo" }
            { name = a, module = Accounting, fields = sender }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using var client = await Connect();
        Assert.Equal("reject bad helo", await Ask(client, "a@example.com", "1", "bad"));
        await using var other = await Connect();
        Assert.Equal("dunno", await Ask(other, "a@example.com", "2"));
        Assert.Equal("defer smtp traffic quota has been exceeded", await Ask(other, "a@example.com", "3"));
    }

    [Fact]
    public async Task Client_that_goes_away_gives_its_place_back()
    {
        // Only the first host checks; nothing turns the reservation into a count but the second.
        var counting = FreePort.Next();
        var configuration = _folder.Write("two.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}", "127.0.0.1:{{counting}}"]
              connections { db { module = Sql, dsn = "Data Source={{DatabaseFile}}", provider = SQLite } }
              virtual_hosts = [
                { name = check, port = {{_port}}, plugins = [ { name = q, module = Quota, field = sender, metric = count, threshold = 1 } ] }
                { name = count, port = {{counting}}, plugins = [ { name = a, module = Accounting, fields = sender } ] } ] }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using (var client = await Connect())
        {
            Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
            await using var second = await Connect();
            Assert.StartsWith("defer", await Ask(second, "a@example.com", "2"), StringComparison.Ordinal);

            // The next mail on the same connection says that the first is over.
            Assert.Equal("dunno", await Ask(client, "a@example.com", "3"));
        }

        await Eventually.Holds("the place of the client that went away", async () =>
        {
            await using var next = await Connect();
            return await Ask(next, "a@example.com", Guid.NewGuid().ToString()) == "dunno";
        });
    }

    [Fact]
    public async Task Mail_that_filled_the_quota_is_let_in_again_when_its_answer_was_lost_also_by_a_server_that_was_killed()
    {
        var configuration = Configure(
            "{ name = q, module = Quota, field = sender, metric = count, threshold = 2 }, { name = a, module = "
                + "Accounting, fields = sender }");
        const string Exceeded = "defer smtp traffic quota has been exceeded";
        await using (var server = await PolicydProcess.Serve(configuration, _port))
        {
            await using var client = await Connect();
            Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
            Assert.Equal("dunno", await Ask(client, "a@example.com", "2"));
            Assert.Equal(Exceeded, await Ask(client, "a@example.com", "3"));
            await using (var again = await Connect())
            {
                Assert.Equal("dunno", await Ask(again, "a@example.com", "2"));
            }

            server.Kill();
            await server.Exits();
        }

        await using var next = await PolicydProcess.Serve(configuration, _port);
        await using var resending = await Connect();
        Assert.Equal("dunno", await Ask(resending, "a@example.com", "2"));
        Assert.Equal(Exceeded, await Ask(resending, "a@example.com", "3"));
        Assert.Equal(2, Count("a@example.com"));
    }

    [SoakTest("a server dies under load again and again")]
    [Theory]
    [InlineData(6)]
    [InlineData(20, Explicit = true)]
    public async Task Killed_under_load_the_table_holds_every_answered_mail_exactly_once(int kills)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var configuration = Configure("{ name = a, module = Accounting, fields = sender }");
        await using var server = await RestartedPolicyd.Serve(configuration, _port);
        await using var clients = new ResendingClients(_port, clients: 12);
        await KillAsync(kills, server, clients, random);

        var counted = ResendingClients.Senders.Sum(Count);
        Summary.Line(
            output,
            $"killed {kills} times (seed {seed}): {clients.Answered} mails answered, {clients.Resent} requests "
                + $"resent, {counted} mails counted");
        Assert.Equal(clients.Answered, counted);
    }

    [SoakTest("a server dies under load, five times")]
    [Fact]
    public async Task Resent_mail_is_not_refused_for_its_own_first_copy_when_the_server_was_killed_under_it()
    {
        const int Kills = 5;
        const int Quota = 3;
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var configuration = Configure(
            $"{{ name = q, module = Quota, field = sender, metric = count, threshold = {Quota} }}, {{ name = a, module = "
                + $"Accounting, fields = sender }}");
        await using var server = await RestartedPolicyd.Serve(configuration, _port);
        await using var clients = new ResendingClients(_port, clients: 12, Quota);
        await KillAsync(Kills, server, clients, random);

        var counted = Query("SELECT sum(\"count\") FROM acct_sender");
        Summary.Line(
            output,
            $"quotas of {Quota} filled, killed {Kills} times (seed {seed}): {clients.Answered} mails let in, {clients.Resent} requests "
                + $"resent, {counted} mails counted");
        Assert.Equal(clients.Answered, counted);
        Assert.Equal(0, Query($"SELECT count(*) FROM acct_sender WHERE \"count\" > {Quota}"));
    }

    [Fact]
    public async Task Locked_database_lets_mail_go_on_and_the_counts_end_right()
    {
        var configuration = Configure("{ name = a, module = Accounting, fields = sender }", lockWait: 1);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using var client = await Connect();
        await Ask(client, "a@example.com", "0");
        await using (var other = new SqliteConnection($"Data Source={DatabaseFile}"))
        {
            other.Open();
            using var locking = other.CreateCommand();
            locking.CommandText = "BEGIN IMMEDIATE";
            locking.ExecuteNonQuery();
            for (var mail = 1; mail <= 5; mail++)
            {
                Assert.Equal("dunno", await Ask(client, "a@example.com", mail.ToString(CultureInfo.InvariantCulture)));
            }

            locking.CommandText = "ROLLBACK";
            locking.ExecuteNonQuery();
        }

        await Eventually.Holds("all six mails in the table", () => Count("a@example.com") == 6);
        Assert.Single(server.Lines, line => line.Contains("cannot be written", StringComparison.Ordinal));
    }

    public void Dispose() => _folder.Dispose();

    // Where nobody locks the file the wait is long: on a busy machine's slow disk a commit that is only late would count as one that the
    // database is away for, whose mails are answered before they are written.
    private string Configure(string plugins, int lockWait = 30) => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"]
          connections { db { module = Sql, dsn = "Data Source={{DatabaseFile}};Default Timeout={{lockWait}}", provider = SQLite } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ {{plugins}} ] } ] }
        """);

    private async Task<PolicyClient> Connect() =>
        await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);

    private static async Task<string> Ask(PolicyClient client, string sender, string instance, string helo = "good") =>
        await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy()
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("sender", sender)
                .Add("instance", instance)
                .Add("helo_name", helo)
                .Add("size", "10")
                .ToBytes(),
            TestContext.Current.CancellationToken);

    private static async Task KillAsync(int kills, RestartedPolicyd server, ResendingClients clients, Random random)
    {
        for (var kill = 0; kill < kills; kill++)
        {
            await clients.More(random.Next(1, 150));
            await server.KillAndServe();
        }

        await clients.EndAsync();
    }

    private long Count(string sender) => Query("SELECT sum(\"count\") FROM acct_sender WHERE \"key\" = @key", sender);

    private long Query(string sql, string? key = null) => SqliteFile.Number(DatabaseFile, sql, key);
}
