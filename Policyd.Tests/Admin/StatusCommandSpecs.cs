using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Sql;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd status</c> of a server that is well, of one whose database is away, and of none.</summary>
[ServerTest]
public sealed class StatusCommandSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Server_that_is_well_is_told_to_people_and_to_scripts()
    {
        var file = Configure("{ name = answer, module = Action, action = dunno }");
        await using var server = await PolicydProcess.Serve(file, _port);
        await Ask("1");
        var shown = await Command.RunAsync("", "status", "-c", file);
        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));

        // A client has its answer before the request is counted as answered.
        await Eventually.Settles(() => $"no request in flight; it shows:\n{shown.Output}", async () =>
            (shown = await Command.RunAsync("", "status", "-c", file)).Output.Contains("in flight: 0\n", StringComparison.Ordinal));
        Assert.Matches("^state +serving\n", shown.Output);
        Assert.Contains($"listens on      127.0.0.1:{_port}\n", shown.Output, StringComparison.Ordinal);
        Assert.Matches("requests +[1-9][0-9]*;", shown.Output);
        Assert.DoesNotContain("reloaded", shown.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Command.RunAsync("", "reload", "-c", file)).ExitCode);
        using var report = JsonDocument.Parse((await Command.RunAsync("", "status", "-c", file, "--json")).Output);
        Assert.True(report.RootElement.GetProperty("ready").GetBoolean());
        Assert.Equal("serving", report.RootElement.GetProperty("state").GetString());
        Assert.Equal(file, report.RootElement.GetProperty("configuration").GetString());
        Assert.True(report.RootElement.TryGetProperty("reloaded", out _));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.Equal(69, (await Command.RunAsync("", "status", "-c", file)).ExitCode);
    }

    [Fact]
    public async Task Database_that_is_away_makes_the_server_degraded_and_not_unready()
    {
        await using var database = new MariaDbServer();
        var file = Configure(
            "{ name = acct, module = Accounting, fields = sender }",
            $"connections {{ db {{ module = Sql, dsn = \"{await database.NewDatabase()}\", user = policyd, password = secret }} }}");
        await using var server = await PolicydProcess.Serve(file, _port);
        await Ask("1");
        await database.Stop();
        await Ask("2");
        await Eventually.Holds("the database to be told", async () =>
            await Command.RunAsync("", "status", "-c", file) is { ExitCode: 0 } shown
            && shown.Output.StartsWith(
                "state           degraded\ndatabase db     takes no counts; 1 mails wait", StringComparison.Ordinal));
        await database.Start();
        await Eventually.Holds("the server to be well again", async () =>
            (await Command.RunAsync("", "status", "-c", file)).Output.StartsWith("state           serving\n", StringComparison.Ordinal));
    }

    private async Task Ask(string instance)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        Assert.Equal("dunno", await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", "a@example.com")
                .Add("instance", instance).Add("size", "10").ToBytes(),
            Cancel));
    }

    private string Configure(string plugins, string root = "") => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }
          {{root}}
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ {{plugins}} ] } ]
        }
        """);
}
