using System.Diagnostics;
using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// The service manager starts a server anew when it does not hear in time that the server works. A machine without time for it, or a
/// database that says nothing, must not bring that about: all mail would lose its connection, and nothing would be better.
/// </summary>
[ServerTest]
[Collection(Alone.Name)]
public sealed class WatchdogSpecs(ITestOutputHelper output) : IDisposable
{
    private const int BusyLoops = 6;
    private const int Clients = 32;
    private const int Signs = 2;

    // A sixth of what our unit has. A sign is due after half of it, so that one may be as late again.
    private static readonly TimeSpan s_watchdog = TimeSpan.FromSeconds(10);

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Busy_machine_and_frozen_database_keep_nothing_from_the_service_manager()
    {
        await using var postgres = new PostgresServer();
        using var systemd = new NotifySocket(_folder["notify"]);
        var file = Configure(await postgres.NewDatabase());
        await using var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", file],
            new Dictionary<string, string>
            {
                ["NOTIFY_SOCKET"] = systemd.Path,
                ["WATCHDOG_USEC"] = s_watchdog.TotalMicroseconds.ToString("0", CultureInfo.InvariantCulture),
            });
        await PolicydProcess.Listens(server, _port);
        Assert.Equal("dunno", await AskAsync("first"));

        var busy = Enumerable.Range(0, BusyLoops)
            .Select(static _ => ProcessUnderTest.Start("/bin/sh", ["-c", "while :; do :; done"])).ToList();
        var frozen = postgres.Freeze();
        Task<string>[] asking = [];
        try
        {
            asking = [.. Enumerable.Range(0, Clients).Select(number => AskAsync($"{number}"))];
            await Task.Run(() => HearSigns(systemd), Cancel);
        }
        finally
        {
            ProcessUnderTest.Thaw(frozen);
            foreach (var loop in busy)
            {
                await loop.DisposeAsync();
            }
        }

        Assert.DoesNotContain(server.Lines, static line => line.Contains("a request without plugins", StringComparison.Ordinal));
        Assert.All(await Task.WhenAll(asking), static answer => Assert.Equal("dunno", answer));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    // The first may have been sent before the machine was busy.
    private void HearSigns(NotifySocket systemd)
    {
        var last = 0L;
        for (var heard = 0; heard <= Signs;)
        {
            if (systemd.Receive() != "WATCHDOG=1")
            {
                continue;
            }

            if (heard++ > 0)
            {
                var since = Stopwatch.GetElapsedTime(last);
                output.WriteLine($"{since.TotalSeconds:0.00} s after the sign before");
                Assert.InRange(since, TimeSpan.Zero, s_watchdog);
            }

            last = Stopwatch.GetTimestamp();
        }
    }

    private async Task<string> AskAsync(string instance)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        return await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", $"{instance}@example.com")
                .Add("client_address", "192.0.2.7").Add("instance", instance).Add("size", "10").ToBytes(),
            Cancel);
    }

    private string Configure(string dsn) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = [ "127.0.0.1:{{_port}}" ]
          admin { listen = off }
          connections { db { module = Sql, dsn = "{{dsn}}", user = postgres, password = secret } }
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
            { name = known, module = SqlList, sql_query = "SELECT 1 WHERE ? = '198.51.100.1'", match_action = reject, on_error = continue }
            { name = limit, module = Quota, field = sender, metric = count, threshold = 1000, action = "defer full" }
            { name = acct, module = Accounting, fields = sender }
          ] } ]
        }
        """);
}
