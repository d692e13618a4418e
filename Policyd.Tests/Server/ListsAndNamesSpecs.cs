using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// What DNS lists answer when they refuse, and domains beyond ASCII, each through the running server with a DNS server on loopback.
/// </summary>
[ServerTest]
public sealed class ListsAndNamesSpecs
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lists_that_refuse_the_resolver_list_nothing()
    {
        await using var dns = new ScriptedDnsServer()
            .A("2.0.51.198.dnswl.example", "127.0.0.255")
            .A("2.0.51.198.bits.example", "127.0.0.255")
            .A("good.example.uribl.example", "127.0.0.1").Txt("good.example.uribl.example", "127.0.0.1 -> Query Refused");
        await using var server = await RunningServer.StartAsync(
            dns,
            "{ name = dnswl, module = RBL, domain = dnswl.example, mode = accept }, { name = no, module = "
                + "Action, action = \"reject spam\" }",
            "{ name = uribl, module = DBL, domain = uribl.example }, { name = ok, module = Action, action = dunno }",
            "{ name = bits, module = RBL, domain = bits.example, reject_message = listed }");

        Assert.Equal("reject spam", await server.AskAsync(0, ("client_address", "198.51.0.2")));
        Assert.Equal("dunno", await server.AskAsync(1, ("sender", "a@good.example")));
        Assert.Equal("reject listed", await server.AskAsync(2, ("client_address", "198.51.0.2")));
        await server.Process.Prints("dnswl.example answers 127.0.0.255, which is not a listing: the list refuses this resolver");
        await server.Process.Prints("uribl.example answers 127.0.0.1, which is not a listing: the list refuses this resolver");
    }

    [Fact]
    public async Task Domains_beyond_ascii_are_asked_for_by_their_names_in_the_dns()
    {
        await using var dns = new ScriptedDnsServer().Txt("xn--bcher-kva.example", "v=spf1 -all")
            .Txt("xn--1-zhc.example", "v=spf1 -all")
            .A("xn--bcher-kva.example.dbl.example", "127.0.1.2");
        await using var server = await RunningServer.StartAsync(
            dns,
            "{ name = spf, module = SPF, check_helo = off, reject_message = failed }, { name = ok, module = Action, action = dunno }",
            "{ name = dbl, module = DBL, domain = dbl.example, helo_name_mode = reject }, { name = ok, module = Action, action = dunno }");

        foreach (var domain in (string[])[
            "bücher.example", "BÜCHER.example", "bu\u0308cher.example", "ｂücher。example", "XN--BCHER-KVA.example", "א1.example"
        ])
        {
            Assert.Equal("reject failed", await server.AskAsync(0, ("sender", "a@" + domain)));
        }

        Assert.Equal("reject sender rejected (xn--bcher-kva.example)", await server.AskAsync(1, ("sender", "a@bücher.example")));
        Assert.Equal("reject sender rejected (xn--bcher-kva.example)", await server.AskAsync(1, ("sender", "a@xn--bcher-kva.example")));
        Assert.Equal(
            "reject helo_name rejected (xn--bcher-kva.example)",
            await server.AskAsync(1, ("sender", "a@x.example"), ("helo_name", "bücher.example")));
        Assert.Equal("dunno", await server.AskAsync(1, ("sender", "a@b\u202ecker.example")));
    }

    /// <summary>One server with a virtual host for each chain.</summary>
    private sealed class RunningServer : IAsyncDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private int _mails;

        private RunningServer(int[] ports) => Ports = ports;

        public ProcessUnderTest Process { get; private set; } = null!;

        private int[] Ports { get; }

        public static async Task<RunningServer> StartAsync(ScriptedDnsServer dns, params string[] chains)
        {
            var server = new RunningServer([.. chains.Select(static _ => FreePort.Next())]);
            var hosts = chains.Select((chain, index) => $"{{ name = h{index}, port = {server.Ports[index]}, plugins = [ {chain} ] }}");
            var file = server._folder["policyd.hocon"];
            await File.WriteAllTextAsync(
                file,
                $$"""
                policyd {
                  listen = [{{string.Join(", ", server.Ports.Select(static port => $"\"127.0.0.1:{port}\""))}}]
                  admin { listen = off }
                  dns { servers = ["{{dns.Address}}"], timeout = 15s }
                  virtual_hosts = [ {{string.Join(", ", hosts)}} ]
                }
                """,
                Cancel);
            server.Process = await PolicydProcess.Serve(file, server.Ports[^1]);
            return server;
        }

        public async Task<string> AskAsync(int chain, params (string Name, string Value)[] attributes)
        {
            var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "RCPT").Add("instance", $"list.{_mails++}");
            if (!attributes.Any(static one => one.Name == "client_address"))
            {
                request.Add("client_address", "192.0.2.1");
            }

            foreach (var (name, value) in attributes)
            {
                request.Add(name, value);
            }

            await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", Ports[chain]), Cancel);
            return await client.AskAsync(request.ToBytes(), Cancel);
        }

        public async ValueTask DisposeAsync()
        {
            if (Process is not null)
            {
                await Process.DisposeAsync();
            }

            _folder.Dispose();
        }
    }
}
