using System.Globalization;
using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// The real executable holds to a quota: for each sum to the mail, however many ask at one time, whatever becomes of a mail that was let
/// in, and when the server itself dies under it.
/// </summary>
[ServerTest]
[SoakTest("quotas fill under load, again and again; POLICYD_RUNS sets how often")]
public sealed class QuotaUnderLoadSpecs(ITestOutputHelper output) : IDisposable
{
    private const int Connections = 100;
    private const int MailsOfEach = 3;
    private const string Accounting = "{ name = a, module = Accounting, fields = sender }";
    private const string Exceeded = "defer smtp traffic quota has been exceeded";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly int _seed = Random.Shared.Next();

    private static int Runs { get; } = int.Parse(Environment.GetEnvironmentVariable("POLICYD_RUNS") ?? "2", CultureInfo.InvariantCulture);

    private string DatabaseFile => _folder["counters.db"];

    [Theory]
    [InlineData(CounterMetric.CountRcpt, "count_rcpt", 20, 20)]
    [InlineData(CounterMetric.Size, "size", 20, 20)]
    [InlineData(CounterMetric.SizeRcpt, "size_rcpt", 5, 7)]
    public async Task Mails_are_let_in_up_to_the_one_that_reaches_the_threshold_whatever_is_compared(
        CounterMetric metric, string name, int mostRecipients, int largest)
    {
        const int Threshold = 1005;
        var random = new Random(_seed);
        await using var server = await PolicydProcess.Serve(OneHost(Quota(name, Threshold) + Accounting), _port);
        for (var run = 0; run < Runs; run++)
        {
            // Mails of half the largest size each; then of any size.
            var (recipients, size) = ((mostRecipients + 1) / 2, (largest + 1) / 2);
            var equal = await SendAsync($"equal{run}", () => (recipients, size));
            var each = CounterAmounts.OfMail(recipients, size)[metric];
            Assert.Equal((Threshold + each - 1) / each, equal.Count);

            // In whatever order these came, each found less than the threshold before it: that can be so only if it is when the largest
            // comes last.
            var mixed = await SendAsync($"mixed{run}", () => (random.Next(1, mostRecipients + 1), random.Next(1, largest + 1)));
            var total = mixed.Sum(mail => mail.Amounts[metric]);
            var last = mixed.Max(mail => mail.Amounts[metric]);
            Assert.True(total >= Threshold && total - last < Threshold, $"seed {_seed}, run {run}: {total} let in, the largest {last}");
        }

        Summary.Line(
            output,
            $"{Connections} connections, threshold {Threshold} of {name}: reached by one mail, the last one let in, in each "
                + $"of {Runs} runs (seed {_seed})");
    }

    [Fact]
    public async Task Place_of_a_client_that_goes_away_is_used_by_another_and_only_once()
    {
        const int Threshold = 100;
        var counting = FreePort.Next();
        await using var server = await PolicydProcess.Serve(CheckingAndCounting(Quota("count", Threshold), counting), _port);
        var left = 0;
        for (var run = 0; run < Runs; run++)
        {
            var sender = SenderOf(run);
            var counted = 0;
            await OnEachConnectionAsync(async connection =>
            {
                var random = new Random(HashCode.Combine(_seed, connection));
                await using var counter = await Connect(counting);
                await using var client = await Connect(_port);
                for (var number = 0; number < 2 * MailsOfEach; number++)
                {
                    var mail = new MailUnderTest(sender, $"{run}.{connection}.{number}");
                    if (random.Next(2) == 0)
                    {
                        Interlocked.Increment(ref left);
                        await mail.AskAndLeave(_port, (Leaving)random.Next(3), reset: random.Next(2) == 0);
                    }
                    else if (await mail.Ask(client, "RCPT") == "dunno" && random.Next(4) > 0)
                    {
                        // Else the client says RSET: its next mail on this connection, or the connection's end, gives the place back.
                        Assert.Equal("dunno", await mail.Ask(counter));
                        Interlocked.Increment(ref counted);
                    }
                }
            });
            await using var filling = await Connect(_port);
            await using var fillingCounter = await Connect(counting);
            await FillAsync(run, Threshold, async mail =>
            {
                if (await mail.Ask(filling, "RCPT") == "dunno")
                {
                    Assert.Equal("dunno", await mail.Ask(fillingCounter));
                    counted++;
                }
            });
            Assert.Equal(Threshold, counted);
        }

        Summary.Line(
            output,
            $"{Connections} connections, {left} of whose mails went away: {Threshold} mails counted in each of {Runs} runs (seed {_seed})");
    }

    [Fact]
    public async Task Place_of_a_mail_that_is_refused_later_is_used_by_another_and_only_once()
    {
        const int Threshold = 100;
        const string BadHelo = "reject bad helo";
        var plugins = Quota("count", Threshold)
            + $$"""{ name = no, module = Condition, key = helo_name, match = bad, action = "{{BadHelo}}" },""" + Accounting;
        await using var server = await PolicydProcess.Serve(OneHost(plugins), _port);
        var refused = 0;
        for (var run = 0; run < Runs; run++)
        {
            await OnEachConnectionAsync(async connection =>
            {
                var random = new Random(HashCode.Combine(_seed, connection));
                await using var client = await Connect(_port);
                for (var number = 0; number < 2 * MailsOfEach; number++)
                {
                    var mail = new MailUnderTest(SenderOf(run), $"{run}.{connection}.{number}", Helo: random.Next(2) == 0 ? "bad" : "good");
                    if (random.Next(4) == 0)
                    {
                        await mail.AskAndLeave(_port, Leaving.BeforeTheAnswer, reset: random.Next(2) == 0);
                        continue;
                    }

                    var answer = await mail.Ask(client);
                    Assert.Contains(answer, (string[])[Exceeded, mail.Helo == "bad" ? BadHelo : "dunno"]);
                    if (answer == BadHelo)
                    {
                        Interlocked.Increment(ref refused);
                    }
                }
            });
            await using var filling = await Connect(_port);
            await FillAsync(run, Threshold, mail => mail.Ask(filling));
        }

        Summary.Line(
            output,
            $"{Connections} connections, {refused} mails refused after their quota: {Threshold} mails counted in each "
                + $"of {Runs} runs (seed {_seed})");
    }

    [Fact]
    public async Task Server_killed_while_a_quota_fills_refuses_no_mail_that_it_has_counted_and_counts_none_twice()
    {
        const int Threshold = 100;
        const int Kills = 3;
        var random = new Random(_seed);
        var configuration = OneHost(Quota("count", Threshold) + Accounting);
        var deferred = 0;
        await using var server = await RestartedPolicyd.Serve(configuration, _port, "-l", "4");
        for (var kill = 0; kill < Kills; kill++)
        {
            var (run, admitted) = (kill, 0);
            var mails = OnEachConnectionAsync(async connection =>
            {
                for (var number = 0; number < MailsOfEach; number++)
                {
                    if (await new MailUnderTest(SenderOf(run), $"{run}.{connection}.{number}").AskUntilAnswered(_port) == "dunno")
                    {
                        Interlocked.Increment(ref admitted);
                    }
                }
            });
            var some = random.Next(1, Threshold);
            await Eventually.Holds(
                $"{some} mails to be let in", () => Volatile.Read(ref admitted) >= some || mails.IsCompleted, TimeSpan.FromSeconds(60));
            var killed = server.Process;
            await server.KillAndServe();
            deferred += killed.Lines.Count(IsDeferred);
            await mails;

            // A mail that was counted before its answer was lost, and refused when it was sent again, would be in the table alone.
            Assert.Equal(admitted, MailUnderTest.SumsOf(DatabaseFile, SenderOf(run)).Count);
            await using var filling = await Connect(_port);
            await FillAsync(run, Threshold, mail => mail.Ask(filling));
            deferred += server.Process.Lines.Count(IsDeferred);
            Assert.Equal(0, deferred);
        }

        Summary.Line(
            output,
            $"killed {Kills} times while a quota of {Threshold} filled (seed {_seed}): every counted mail let in, {Threshold} counted each "
                + $"time, {deferred} answers deferred");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// A mail that was answered without the database, as the plugins say at level 4: a server that is killed loses its count.
    /// </summary>
    private static bool IsDeferred(string line) =>
        line.Contains("answered before the mail was counted", StringComparison.Ordinal)
            || line.Contains("the counter is unknown", StringComparison.Ordinal);

    private static string Quota(string metric, int threshold) =>
        string.Create(
            CultureInfo.InvariantCulture, $"{{ name = q, module = Quota, field = sender, metric = {metric}, threshold = {threshold} }},");

    private static string SenderOf(int run) => $"u{run}@example.com";

    private static Task OnEachConnectionAsync(Func<int, Task> work) =>
        Task.WhenAll(Enumerable.Range(0, Connections).Select(connection => Task.Run(() => work(connection))));

    private static async Task<PolicyClient> Connect(int port) =>
        await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), TestContext.Current.CancellationToken);

    private string Database => $$"""connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{DatabaseFile}}" } }""";

    private string OneHost(string plugins) => _folder.Write("one.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"]
          {{Database}}
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ {{plugins}} ] } ] }
        """);

    private string CheckingAndCounting(string quota, int counting) => _folder.Write("two.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}", "127.0.0.1:{{counting}}"]
          {{Database}}
          virtual_hosts = [
            { name = check, port = {{_port}}, plugins = [ {{quota}} ] }
            { name = count, port = {{counting}}, plugins = [ {{Accounting}} ] } ] }
        """);

    /// <summary>
    /// Mails of one sender, on all connections at one time; returns those that were let in, which are those that were counted.
    /// </summary>
    private async Task<List<MailUnderTest>> SendAsync(string sender, Func<(int Recipients, int Size)> next)
    {
        var mails = Enumerable.Range(0, Connections * MailsOfEach).Select(number =>
        {
            var (recipients, size) = next();
            return new MailUnderTest(sender, $"{sender}.{number}", recipients, size);
        }).ToArray();
        var admitted = new List<MailUnderTest>();
        await OnEachConnectionAsync(async connection =>
        {
            await using var client = await Connect(_port);
            foreach (var mail in mails.Skip(connection * MailsOfEach).Take(MailsOfEach))
            {
                var answer = await mail.Ask(client);
                Assert.Contains(answer, (string[])["dunno", Exceeded]);
                if (answer == "dunno")
                {
                    lock (admitted)
                    {
                        admitted.Add(mail);
                    }
                }
            }
        });
        Assert.Equal(
            admitted.Aggregate(default(CounterAmounts), (sum, mail) => sum + mail.Amounts), MailUnderTest.SumsOf(DatabaseFile, sender));
        return admitted;
    }

    /// <summary>Sends mails until the quota is full, to the mail: no place that was given back is lost, and none is given twice.</summary>
    private async Task FillAsync(int run, int threshold, Func<MailUnderTest, Task> send)
    {
        var (number, counted) = (0, 0L);
        await Eventually.Settles(
            () => $"{threshold} mails to be counted, not {counted} (seed {_seed}, run {run})",
            async () =>
            {
                await send(new MailUnderTest(SenderOf(run), $"{run}.fill.{number++}"));
                return (counted = MailUnderTest.SumsOf(DatabaseFile, SenderOf(run)).Count) >= threshold;
            });
        for (var more = 0; more < 3; more++)
        {
            await send(new MailUnderTest(SenderOf(run), $"{run}.more.{more}"));
        }

        Assert.Equal(threshold, MailUnderTest.SumsOf(DatabaseFile, SenderOf(run)).Count);
    }
}
