using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// What strangers on the machine find of the real executable: the configured ports and no other; and how it ends when nobody told it to.
/// </summary>
public sealed class OpenPortsSpecs : IDisposable
{
    private const string Counting =
        "{ name = q, module = Quota, field = sender, metric = count, threshold = 2 }, { name = a, module = Accounting, fields = sender }";
    private const string Plain = "{ name = yes, module = Action, action = ok }";

    // A cluster forms and parts in several rounds of messages, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [ServerTest]
    [Fact]
    public async Task Counting_server_with_periodic_tasks_and_lookups_under_way_opens_the_configured_ports_and_no_other()
    {
        using var silent = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        var dns = ((IPEndPoint)silent.Client.LocalEndPoint!).Port;
        var configuration = Configure(
            Counting + ", { name = list, module = RBL, domain = list.example }",
            $$"""listen = ["127.0.0.1:{{_port}}", "unix:{{_folder["policy.sock"]}}"], dns { servers = ["127.0.0.1:{{dns}}"] }, cron { """
                + $$"""tasks { hourly = "0 * * * *" } }""",
            admin: $"unix:{_folder["admin.sock"]}");
        await using var server = await Serve(configuration);
        await using var client = await Connect();
        var asking = Ask(client, "a@example.com", "1");
        await silent.ReceiveAsync(Cancel);
        Assert.Equal(
            [$"tcp 127.0.0.1:{_port}", $"unix {_folder["admin.sock"]}", $"unix {_folder["policy.sock"]}"], ListeningSockets.Of(server.Id));
        await asking;
        Assert.Equal(1, Count("a@example.com"));
        Assert.Equal(3, ListeningSockets.Of(server.Id).Count);

        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.DoesNotContain(server.Lines, line => line.Contains("akka", StringComparison.OrdinalIgnoreCase));
    }

    [ServerTest]
    [Fact]
    public async Task Server_that_does_not_count_opens_the_configured_ports_and_no_other()
    {
        var configuration = Configure(Plain, $"""listen = ["127.0.0.1:{_port}"]""", admin: "off");
        await using var server = await Serve(configuration);
        Assert.Equal([$"tcp 127.0.0.1:{_port}"], ListeningSockets.Of(server.Id));
    }

    [ServerTest]
    [Fact]
    public async Task Operators_commands_on_tcp_are_one_port_more_and_settings_of_akka_without_a_cluster_are_none()
    {
        var admin = FreePort.Next();
        var remoting = FreePort.Next();
        var configuration = Configure(
            Counting,
            $"""listen = ["127.0.0.1:{_port}"]""",
            admin: $"127.0.0.1:{admin}",
            akka: $$"""remote.dot-netty.tcp { hostname = 127.0.0.1, port = {{remoting}} }, cluster.seed-nodes = []""");
        await using var server = await Serve(configuration);
        Assert.Equal(
            new[] { $"tcp 127.0.0.1:{_port}", $"tcp 127.0.0.1:{admin}" }.Order(StringComparer.Ordinal), ListeningSockets.Of(server.Id));
        await server.Prints(
            "akka { remote } has no effect: without akka { cluster.seed-nodes } this server runs alone and Akka opens no port");
        await server.Prints("akka { cluster } has no effect");
    }

    [ServerTest]
    [Fact]
    public async Task Port_of_a_configured_cluster_is_told_and_a_node_that_the_cluster_removes_ends_with_70()
    {
        var (configuration, address) = ConfigureCluster();
        await using var server = await Serve(configuration);
        Assert.Equal(
            new[] { $"tcp 127.0.0.1:{_port}", $"tcp 127.0.0.1:{address.Port}" }.Order(StringComparer.Ordinal),
            ListeningSockets.Of(server.Id));
        await server.Prints($"akka listens on {address}, as configured in akka {{ }}, without TLS");
        await using (var client = await Connect())
        {
            Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
        }

        using var other = ActorSystem.Create("policyd", ConfigurationFactory.ParseString($$"""
            akka {
              loglevel = OFF, stdout-loglevel = OFF
              actor.provider = cluster
              remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
              cluster { seed-nodes = ["{{address}}"], roles = [other] }
            }
            """));
        var cluster = Cluster.Get(other);
        await Eventually.Holds(
            "the other node to be a member",
            () => cluster.State.Members.Count(member => member.Status == MemberStatus.Up) == 2,
            s_timeout);
        cluster.Down(address);
        Assert.Equal(70, await server.Exits(s_timeout));
        Assert.Contains(server.Lines, line => line.Contains(
            " err: stopped because of an error: the cluster considered this node down and removed it", StringComparison.Ordinal));
        Assert.Equal(1, Count("a@example.com"));
        await other.Terminate();
    }

    [ServerTest]
    [Fact]
    public async Task Node_of_a_cluster_ends_with_0_when_it_is_told_to()
    {
        var (configuration, _) = ConfigureCluster();
        await using var server = await Serve(configuration);
        await using (var client = await Connect())
        {
            Assert.Equal("dunno", await Ask(client, "a@example.com", "1"));
        }

        server.Terminate();
        Assert.Equal(0, await server.Exits(s_timeout));
        Assert.Equal(1, Count("a@example.com"));
    }

    [Fact]
    public void Unit_of_systemd_starts_a_server_that_ended_by_itself_again()
    {
        var unit = File.ReadAllLines(FilesAbove.OfTheRepository("packaging/policyd.service"));
        Assert.Contains("Restart=on-failure", unit);
        var never = Assert.Single(unit, line => line.StartsWith("RestartPreventExitStatus=", StringComparison.Ordinal));
        Assert.DoesNotContain("70", never, StringComparison.Ordinal);
    }

    private (string Configuration, Address Address) ConfigureCluster()
    {
        var address = new Address("akka.tcp", "policyd", "127.0.0.1", FreePort.Next());
        var akka = $$"""remote.dot-netty.tcp.port = {{address.Port}}, cluster.seed-nodes = ["{{address}}"]""";
        return (Configure(Counting, $"""listen = ["127.0.0.1:{_port}"]""", admin: "off", akka), address);
    }

    private string Configure(string plugins, string options, string admin, string akka = "") => _folder.Write("policyd.hocon", $$"""
        policyd {
          {{options}}
          log_level = 2
          admin { listen = "{{admin}}" }
          connections { db { module = Sql, dsn = "Data Source={{_folder["counters.db"]}}", provider = SQLite } }
          virtual_hosts = [ { name = main, port = {{_port}}, plugins = [ {{plugins}} ] } ]
        }
        akka { {{akka}} }
        """);

    /// <summary>With the environment of packaging/policyd.service: without it the runtime opens a socket for its debugging tools.</summary>
    private async Task<ProcessUnderTest> Serve(string configuration)
    {
        const string Environment = "Environment=";
        var environment = File.ReadAllLines(FilesAbove.OfTheRepository("packaging/policyd.service"))
            .Where(line => line.StartsWith(Environment, StringComparison.Ordinal))
            .Select(line => line[Environment.Length..].Split('=', 2))
            .ToDictionary(pair => pair[0], pair => pair[1]);
        var process = ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-c", configuration], environment);
        await PolicydProcess.Listens(process, _port);
        return process;
    }

    private ValueTask<PolicyClient> Connect() =>
        PolicyClient.ConnectAsync(
            PolicyEndpoint.TryParse($"127.0.0.1:{_port}", out var endpoint, out _) ? endpoint : throw new InvalidOperationException(),
            Cancel);

    private static Task<string> Ask(PolicyClient client, string sender, string instance) => Eventually.Ends(
        "an answer",
        client.AskAsync(
            PolicyRequestBuilder.AccessPolicy()
                .Add("instance", instance)
                .Add("client_address", "192.0.2.1")
                .Add("sender", sender)
                .Add("recipient", "b@example.org")
                .Add("size", "1")
                .ToBytes(),
            Cancel).AsTask());

    private long Count(string sender) =>
        SqliteFile.Number(_folder["counters.db"], "SELECT SUM(count) FROM acct_sender WHERE key = @key", sender);
}
