using System.Net;
using System.Net.Sockets;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>The sample of a connection module in the running server: loaded from a folder, over a table that the test serves.</summary>
[ServerTest]
public sealed class ConnectionModuleSampleSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TcpListener _table = new(IPAddress.Loopback, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _table.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Connection_of_a_third_party_answers_its_plugin_and_is_opened_anew_when_it_was_lost()
    {
        _table.Start();
        var asked = new List<string>();
        var serving = ServeAsync(asked);
        var port = FreePort.Next();
        await using var server = await PolicydProcess.Serve(_folder.Write("policyd.hocon", Configuration(port)), port);
        Assert.Equal("reject listed here", await AskAsync(port, "192.0.2.1"));
        Assert.Equal("dunno", await AskAsync(port, "192.0.2.2"));
        Assert.Equal("reject listed here", await AskAsync(port, "192.0.2.1"));
        Assert.Equal(["get 192.0.2.1", "get 192.0.2.2", "get 192.0.2.1"], asked);
        _table.Stop();
        await serving;
    }

    [Fact]
    public async Task What_is_wrong_in_its_section_has_its_place()
    {
        var file = _folder.Write("policyd.hocon", Configuration(1).Replace("timeout = 30s", "timeout = 0s, tmeout = 1"));
        var result = await Server.Command.RunAsync("", "check", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Contains("unknown option \"tmeout\" of connection table", result.Error);
    }

    // One answer for each connection: whoever keeps it finds it closed.
    private async Task ServeAsync(List<string> asked)
    {
        try
        {
            while (true)
            {
                using var client = await _table.AcceptTcpClientAsync(Cancel);
                using var reader = new StreamReader(client.GetStream());
                await using var writer = new StreamWriter(client.GetStream()) { AutoFlush = true };
                if (await reader.ReadLineAsync(Cancel) is { } line)
                {
                    asked.Add(line);
                    await writer.WriteAsync(line == "get 192.0.2.1" ? "200 reject%20listed%20here\n" : "500 not there\n");
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The test has ended.
        }
    }

    private string Configuration(int port) => $$"""
        policyd {
          listen = "127.0.0.1:{{port}}"
          plugin_folder = "{{Path.Combine(AppContext.BaseDirectory, "sample-sets")}}"
          cron { enabled = off }
          connections { table { module = TcpTable, server = "{{_table.LocalEndpoint}}", timeout = 30s } }
          virtual_hosts = [ { name = clients, port = {{port}}, plugins = [
            { name = table, module = TcpTableAction, table = table } ] } ]
        }
        """;

    private static async Task<string> AskAsync(int port, string address)
    {
        Assert.True(PolicyEndpoint.TryParse($"127.0.0.1:{port}", out var endpoint, out _));
        await using var client = await PolicyClient.ConnectAsync(endpoint, Cancel);
        var request = PolicyRequestBuilder.AccessPolicy().Add("client_address", address).ToBytes();
        return await Eventually.Ends("an answer", client.AskAsync(request, Cancel).AsTask());
    }
}
