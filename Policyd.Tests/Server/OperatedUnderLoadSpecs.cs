using System.Diagnostics;
using System.Net.Sockets;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.Admin;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>
/// All that an operator may have running at once, each at its worst, while mail is counted: metrics are asked for 200 times a second, a
/// reader of decisions does not read, the disk of the recording is full, the database of the history is silent, and the configuration is
/// reloaded. A server that does nothing but count tells what that costs.
/// </summary>
[ServerTest]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class OperatedUnderLoadSpecs(ITestOutputHelper output) : IAsyncDisposable
{
    private const int Clients = 32;
    private const int MailsEach = 400;
    private const int Mails = Clients * MailsEach;
    private const int Scrapers = 8;
    private const int Reloads = 5;
    private const long MostGrowth = 300L * 1024 * 1024;
    private static readonly TimeSpan s_betweenScrapes = TimeSpan.FromMilliseconds(1000.0 / (200 / Scrapers));

    private readonly TemporaryFolder _folder = new();
    private readonly OneAnswerServer _silentHistory = new([]);
    private readonly int _alonePort = FreePort.Next();
    private readonly int _port = FreePort.Next();
    private readonly int _http = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _silentHistory.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Every_mail_is_answered_and_counted_and_memory_stays_bounded()
    {
        File.CreateSymbolicLink(_folder["requests.jsonl"], "/dev/full");
        var file = Configure(reload: 0);
        await using var countingAlone = await PolicydProcess.Serve(ConfigureAlone(), _alonePort);
        await using var server = await PolicydProcess.Serve(file, _port);
        using var stopped = await StoppedReaderAsync();

        // The first run of each compiles what the second one measures.
        await MailsAsync(_alonePort, "first");
        await TogetherAsync("first", file);
        var before = MemoryOf(server);
        var alone = await MailsAsync(_alonePort, "second");
        var (together, scrapes) = await TogetherAsync("second", file);
        var growth = MemoryOf(server) - before;

        await server.Prints("the recording");
        output.WriteLine(
            $"{Mails} mails on {Clients} connections: p99 {P99(alone):0.0} ms alone, {P99(together):0.0} ms with {scrapes} scrapes, "
                + $"{Reloads} reloads, a reader that does not read, a full disk and a silent history; {growth / 1048576} MiB more memory");
        Assert.InRange(growth, long.MinValue, MostGrowth);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.Equal(2 * Mails, SqliteFile.Number(_folder["policyd.db"], "SELECT sum(count) FROM acct_sender"));
    }

    private static double P99(List<double> milliseconds) => milliseconds.Order().ElementAt(milliseconds.Count * 99 / 100);

    private static long MemoryOf(ProcessUnderTest server)
    {
        using var process = Process.GetProcessById(server.Id);
        return process.WorkingSet64;
    }

    private string ConfigureAlone() => _folder.Write("alone.hocon", $"policyd {{ {Counting(_alonePort, "alone.db", reload: 0)} }}");

    private string Configure(int reload) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          http { listen = "127.0.0.1:{{_http}}" }
          record { file = "{{_folder["requests.jsonl"]}}" }
          decisions { db = history, what = all }
          connections { history {
            module = Sql, dsn = "dbi:Pg:dbname=x;host=127.0.0.1;port={{_silentHistory.Port}}", user = x, password = x
          } }
          {{Counting(_port, "policyd.db", reload)}}
        }
        """);

    private string Counting(int port, string database, int reload) =>
        $$"""
          listen = [ "127.0.0.1:{{port}}" ]
          connections { db { module = Sql, provider = SQLite, dsn = "Data Source={{_folder[database]}};Default Timeout=30" } }
          virtual_hosts = [ { name = x, port = {{port}}, plugins = [
            { name = acct, module = Accounting, fields = sender }
            { name = header, module = Action, action = "prepend X-Reload: {{reload}}" }
          ] } ]
        """;

    private async Task<(List<double> Milliseconds, int Scrapes)> TogetherAsync(string name, string file)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var scraping = Enumerable.Range(0, Scrapers).Select(_ => ScrapeAsync(stop.Token)).ToList();
        var reloading = ReloadAsync(file);
        var times = await MailsAsync(_port, name);
        await Eventually.Ends("the reloads", reloading);
        await stop.CancelAsync();
        var scrapes = (await Eventually.Ends("the scrapers", Task.WhenAll(scraping))).Sum();
        Assert.True(scrapes > 0);
        return (times, scrapes);
    }

    private static async Task<List<double>> MailsAsync(int port, string name) =>
        [.. (await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => MailsAsync(port, name, client), Cancel))))
            .SelectMany(static times => times)];

    private static async Task<List<double>> MailsAsync(int port, string name, int client)
    {
        await using var connection = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        var times = new List<double>(MailsEach);
        for (var mail = 0; mail < MailsEach; mail++)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", $"{client}@example.com")
                .Add("client_address", "192.0.2.7").Add("instance", $"{name}.{client}.{mail}").Add("size", "10").ToBytes();
            var since = Stopwatch.GetTimestamp();
            Assert.StartsWith("prepend X-Reload: ", await connection.AskAsync(request, Cancel), StringComparison.Ordinal);
            times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
        }

        return times;
    }

    private async Task<int> ScrapeAsync(CancellationToken stop)
    {
        using var client = new HttpClient();
        using var pace = new PeriodicTimer(s_betweenScrapes);
        var scrapes = 0;
        while (!stop.IsCancellationRequested)
        {
            var answer = await client.GetStringAsync(new Uri($"http://127.0.0.1:{_http}/metrics"), Cancel);
            Assert.Contains("policyd_build_info", answer, StringComparison.Ordinal);
            scrapes++;
            await pace.WaitForNextTickAsync(Cancel);
        }

        return scrapes;
    }

    private async Task<int> ReloadAsync(string file)
    {
        var admin = new AdminClient(new AdminOptions { Listen = $"unix:{_folder["admin.sock"]}" }, file);
        for (var reload = 1; reload <= Reloads; reload++)
        {
            Configure(reload);
            var report = await admin.AskAsync("reload", [], Cancel);
            Assert.True(report.GetProperty("applied").GetBoolean(), report.ToString());
        }

        return Reloads;
    }

    // It asks for all decisions and never reads.
    private async Task<Socket> StoppedReaderAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_folder["admin.sock"]), Cancel);
        await socket.SendAsync("{\"command\":\"trace\",\"arguments\":{\"verbose\":true}}\n"u8.ToArray(), Cancel);
        await Eventually.Holds("the answer to trace", () => socket.Available > 0);
        return socket;
    }
}
