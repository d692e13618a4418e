using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.Admin;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.History;

/// <summary>
/// The database of the history says nothing any more, or cannot be reached: every mail is answered as fast as before, what is kept is
/// bounded, what is dropped is counted, and it goes on when the database is back.
/// </summary>
[ServerTest]
public sealed partial class HistoryAwaySpecs(ITestOutputHelper output) : IDisposable
{
    private const string Degraded = "ready\ndegraded: database db stores no decisions\n";
    private const int Clients = 16;
    private const int Few = 100;
    private const int Mails = Clients * Few;

    // More than wait for the database and are in the hands of the writer together.
    private const int Many = 1_250;
    private const long MostGrowth = 300L * 1024 * 1024;

    // A mail that waited for the database would wait for the patience with it, 10 s. A busy machine takes less than this.
    private static readonly TimeSpan s_waited = TimeSpan.FromSeconds(9);
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly int _http = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("PostgreSQL")]
    [InlineData("MariaDB")]
    public async Task A_frozen_database_delays_no_mail_and_gets_the_rest_when_it_is_thawed(string kind)
    {
        await using var postgres = new PostgresServer();
        await using var mariaDb = new MariaDbServer();
        var dsn = kind == "MariaDB" ? await mariaDb.NewDatabase() : await postgres.NewDatabase();
        await using var server = await PolicydProcess.Serve(Configure(dsn, kind == "MariaDB" ? mariaDb : postgres), _port);
        await MailsAsync(Few);
        var well = await MailsAsync(Few);
        await Eventually.Holds("the first decisions to be stored", async () => await SettledAsync() >= 2 * Mails, s_timeout);
        var (before, droppedBefore) = (MemoryOf(server), await MetricAsync("dropped"));

        var frozen = kind == "MariaDB" ? mariaDb.Freeze() : postgres.Freeze();
        List<double> away;
        try
        {
            away = await MailsAsync(Many);
            await Eventually.Holds(
                "decisions to be dropped", async () => await MetricAsync("dropped") > droppedBefore, s_timeout);
            await Eventually.Holds("a line in the log", () => server.Lines.Any(IsAboutTheHistory), s_timeout);
            await Eventually.Holds("the database to be named", async () => await ReadyAsync() == Degraded, s_timeout);
        }
        finally
        {
            ProcessUnderTest.Thaw(frozen);
        }

        Assert.InRange(MemoryOf(server) - before, long.MinValue, MostGrowth);
        output.WriteLine(
            $"p99 of {well.Count} mails: {P99(well):0.0} ms before; of {away.Count}: {P99(away):0.0} ms while {kind} was frozen");
        Assert.InRange(away.Max(), 0, s_waited.TotalMilliseconds);

        var all = Mails + well.Count + away.Count;
        await Eventually.Holds("all decisions to be stored or counted as dropped", async () => await SettledAsync() == all, s_timeout);
        var (stored, dropped) = (await MetricAsync("stored"), await MetricAsync("dropped"));
        output.WriteLine($"{stored} stored, {dropped} dropped, {server.Lines.Count(IsAboutTheHistory)} lines in the log");
        Assert.Equal(stored, await CountAsync(kind == "MariaDB" ? mariaDb : postgres, dsn));
        Assert.InRange(server.Lines.Count(IsAboutTheHistory), 1, 8);

        await MailsAsync(Few);
        await Eventually.Holds("new decisions to be stored", async () => await SettledAsync() == all + Mails, s_timeout);
        Assert.True(await MetricAsync("stored") > stored);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    [Fact]
    public async Task A_database_that_is_never_there_holds_up_neither_start_nor_reload_nor_end()
    {
        await using var silent = new OneAnswerServer([]);
        var dsn = $"dbi:Pg:dbname=x;host=127.0.0.1;port={silent.Port}";
        await using var postgres = new PostgresServer();
        var file = Configure(dsn, postgres);
        await using var server = await PolicydProcess.Serve(file, _port);
        var times = await MailsAsync(Few);
        Assert.InRange(times.Max(), 0, s_waited.TotalMilliseconds);

        Configure(dsn, postgres, keep: "1h");
        var admin = new AdminClient(new AdminOptions { Listen = $"unix:{_folder["admin.sock"]}" }, file);
        var report = await admin.AskAsync("reload", [], Cancel);
        Assert.True(report.GetProperty("applied").GetBoolean(), report.ToString());
        Assert.Equal(Mails, await MetricAsync("dropped"));
        await MailsAsync(Few);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.Contains(
            $"the history has ended; {Mails} decisions of this server are not in it",
            await server.Prints("has ended"),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_that_is_away_makes_the_server_degraded_and_not_unready()
    {
        await using var postgres = new PostgresServer();
        var file = Configure(await postgres.NewDatabase(), postgres);
        await postgres.Stop();
        await using var server = await PolicydProcess.Serve(file, _port);
        await Eventually.Holds("the database to be named before the first decision", async () => await ReadyAsync() == Degraded);
        await postgres.Start();
        await Eventually.Holds("the server to be well", async () => await ReadyAsync() == "ready\n");

        await postgres.Stop();
        await MailsAsync(1);
        await Eventually.Holds("the database to be named", async () => await ReadyAsync() == Degraded);
        var shown = await Command.RunAsync("", "status", "-c", file);
        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));
        Assert.StartsWith(
            "state           degraded\ndatabase db     stores no decisions; 0 were dropped since the start: ",
            shown.Output,
            StringComparison.Ordinal);
        using var report = JsonDocument.Parse((await Command.RunAsync("", "status", "-c", file, "--json")).Output);
        Assert.Equal(
            (true, "db"),
            (report.RootElement.GetProperty("ready").GetBoolean(),
                report.RootElement.GetProperty("history").GetProperty("connection").GetString()));

        await postgres.Start();
        await Eventually.Holds("the server to be well again", async () => await ReadyAsync() == "ready\n");
        Assert.Equal((Clients, 0), (await MetricAsync("stored"), await MetricAsync("dropped")));
    }

    private static bool IsAboutTheHistory(string line) => line.Contains("decisions", StringComparison.Ordinal);

    private static double P99(List<double> milliseconds) => milliseconds.Order().ElementAt(milliseconds.Count * 99 / 100);

    private static long MemoryOf(ProcessUnderTest server)
    {
        using var process = Process.GetProcessById(server.Id);
        return process.WorkingSet64;
    }

    [GeneratedRegex("^policyd_decisions_(?<name>[a-z]+)_total(?:\\{[^}]*\\})? (?<value>[0-9.e+]+)", RegexOptions.Multiline)]
    private static partial Regex Metric();

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Number();

    private async Task<long> SettledAsync() => await MetricAsync("stored") + await MetricAsync("dropped");

    private async Task<long> MetricAsync(string name)
    {
        using var client = new HttpClient();
        var page = await client.GetStringAsync(new Uri($"http://127.0.0.1:{_http}/metrics"), Cancel);
        var found = Metric().Matches(page).SingleOrDefault(one => one.Groups["name"].Value == name);
        return found is null ? 0 : (long)double.Parse(found.Groups["value"].Value, CultureInfo.InvariantCulture);
    }

    private async Task<string> ReadyAsync()
    {
        using var client = new HttpClient();
        using var answer = await client.GetAsync(new Uri($"http://127.0.0.1:{_http}/readyz"), Cancel);
        return await answer.Content.ReadAsStringAsync(Cancel);
    }

    private static async Task<long> CountAsync(IDatabaseServer server, string dsn)
    {
        var text = server is MariaDbServer mariaDb
            ? await mariaDb.Query($"SELECT count(*) FROM {dsn.Split('=', ';')[1]}.policyd_decisions")
            : await ((PostgresServer)server).Query(dsn, "SELECT count(*) FROM policyd_decisions");
        return long.Parse(Number().Match(text).Value, CultureInfo.InvariantCulture);
    }

    private string Configure(string dsn, IDatabaseServer server, string keep = "30d") => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = [ "127.0.0.1:{{_port}}" ]
          log_level = 1
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          http { listen = "127.0.0.1:{{_http}}" }
          decisions { db = db, keep = {{keep}} }
          connections { db { module = Sql, dsn = "{{dsn}}", user = {{server.User}}, password = secret } }
          cron { enabled = off }
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ { name = no, module = Action, action = "reject see %ID%" } ] } ]
        }
        """);

    private async Task<List<double>> MailsAsync(int each) =>
        [.. (await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(() => OfClientAsync(each), Cancel))))
            .SelectMany(static times => times)];

    private async Task<List<double>> OfClientAsync(int mails)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        var times = new List<double>(mails);
        for (var mail = 0; mail < mails; mail++)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "RCPT").Add("sender", $"{mail}@example.com")
                .Add("client_address", "192.0.2.7").Add("instance", Guid.NewGuid().ToString()).ToBytes();
            var since = Stopwatch.GetTimestamp();
            Assert.StartsWith("reject see ", await client.AskAsync(request, Cancel), StringComparison.Ordinal);
            times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
        }

        return times;
    }
}
