using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary>
/// <c>policyd cluster</c> as an operator runs it, against real servers: one that is alone, and two that Akka's own settings make a cluster.
/// </summary>
[ServerTest]
public sealed class ClusterCommandSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Server_that_is_alone_says_so()
    {
        var port = FreePort.Next();
        var configuration = Configure("alone", port, "");
        await using var server = await PolicydProcess.Serve(configuration, port);
        foreach (var verb in new[] { "show", "status", "shards", "owner sender a", "leave", "down a:1", "down-unreachable", "join a:1" })
        {
            var result = await Command.RunAsync("", ["cluster", .. verb.Split(' '), "-c", configuration]);
            Assert.Equal((69, ""), (result.ExitCode, result.Output));
            Assert.StartsWith("policyd: this server is not a node of a cluster", result.Error, StringComparison.Ordinal);
        }

        Assert.False(server.HasExited);
    }

    [Fact]
    public async Task Wrong_command_line_is_told()
    {
        foreach (var arguments in new[] { "shwo", "owner sender", "down", "join", "show a", "leave a" })
        {
            var result = await Command.RunAsync("", ["cluster", .. arguments.Split(' ')]);
            Assert.True(result.ExitCode == 64, $"{arguments}: {result.ExitCode} {result.Output} {result.Error}");
        }

        var help = await Command.RunAsync("", "cluster", "down", "--help");
        Assert.Equal(0, help.ExitCode);
        Assert.Contains("policyd cluster down mx2.example.org:4053", help.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_nodes_are_shown_and_one_leaves_when_it_is_told_to()
    {
        var (ports, remoting) = (new[] { FreePort.Next(), FreePort.Next() }, new[] { FreePort.Next(), FreePort.Next() });
        var seed = $"akka.tcp://policyd@127.0.0.1:{remoting[0]}";
        var other = $"akka.tcp://policyd@127.0.0.1:{remoting[1]}";
        var files = Enumerable.Range(0, 2).Select(number => Configure(
            $"node{number}",
            ports[number],
            $$"""
            akka {
              remote.dot-netty.tcp.port = {{remoting[number]}}
              cluster { seed-nodes = ["{{seed}}"], failure-detector.acceptable-heartbeat-pause = 3m }
            }
            """)).ToArray();
        await using var a = await PolicydProcess.Serve(files[0], ports[0]);
        await using var b = await PolicydProcess.Serve(files[1], ports[1]);

        // What one node knows of the other, the other may not know yet: each is asked until it knows all.
        foreach (var file in files)
        {
            var members = await Until(file, "show", static shown => shown.Output.Split(" | up | ").Length == 3);
            var lines = members.Output.TrimEnd().Split('\n');
            Assert.Equal(3, lines.Length);
            foreach (var address in new[] { seed, other })
            {
                Assert.Single(lines, line => line.StartsWith($"{address} | [policyd] | up |  | ", StringComparison.Ordinal));
            }

            Assert.Equal("Count: 2 nodes", lines[2]);
            var status = await Until(file, "status", static shown => shown.ExitCode == 0);
            Assert.Contains("quorum           yes, 2 of 2 members are reached", status.Output, StringComparison.Ordinal);
            Assert.Contains($"oldest           {seed}", status.Output, StringComparison.Ordinal);
        }

        // Until the node that places the keys is found, the owner is not known.
        var owners = new[]
        {
            Node(await Until(files[0], "owner sender a@b --json", static shown => Node(shown) is not null)),
            Node(await Until(files[1], "owner acct_sender a@b --db db --json", static shown => Node(shown) is not null)),
        };
        Assert.Equal(owners[0], owners[1]);
        Assert.Contains(owners[0], new[] { seed, other });
        Assert.Equal(64, (await Run(files[0], "owner sandre a@b")).ExitCode);
        await Until(files[0], "shards", static shown => shown.Output.Contains("counters", StringComparison.Ordinal));

        var self = await Run(files[0], $"down 127.0.0.1:{remoting[0]}");
        Assert.Equal(64, self.ExitCode);
        Assert.Contains("is this node", self.Error, StringComparison.Ordinal);
        Assert.Equal(64, (await Run(files[0], "down 127.0.0.1:1")).ExitCode);
        Assert.Equal("no member is unreachable\n", (await Run(files[0], "down-unreachable")).Output);
        var join = await Run(files[0], $"join 127.0.0.1:{remoting[1]}");
        Assert.Equal(64, join.ExitCode);
        Assert.Contains("already a member", join.Error, StringComparison.Ordinal);

        var left = await Run(files[1], "leave");
        Assert.True(left.ExitCode == 0, left.Error);
        Assert.Equal($"{other} leaves the cluster, and the server stops\n", left.Output);
        Assert.Equal(0, await b.Exits());
        await Until(files[0], "show", static shown => shown.Output.EndsWith("Count: 1 nodes\n", StringComparison.Ordinal));
        await Until(files[0], "status", static shown => shown.ExitCode == 0);
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", ports[0]), Cancel);
        await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "1").Add("sender", "a@b").ToBytes(), Cancel);
    }

    private static Task<CommandResult> Run(string configuration, string arguments) =>
        Command.RunAsync("", ["cluster", .. arguments.Split(' '), "-c", configuration]);

    /// <summary>Runs a command again and again until it prints, or ends with, what is waited for.</summary>
    private static async Task<CommandResult> Until(string configuration, string arguments, Func<CommandResult, bool> isSo)
    {
        var result = new CommandResult(0, "", "");
        await Eventually.Settles(
            () => $"another answer to \"cluster {arguments}\" than {result}",
            async () => isSo(result = await Run(configuration, arguments)),
            TimeSpan.FromMinutes(2));
        return result;
    }

    /// <summary>The owner of a key; null while it is not known.</summary>
    private static string? Node(CommandResult result)
    {
        Assert.True(result.ExitCode == 0, result.Error);
        return JsonDocument.Parse(result.Output).RootElement.GetProperty("node").GetString();
    }

    private string Configure(string name, int port, string akka)
    {
        Directory.CreateDirectory(_folder[name]);
        return _folder.Write($"{name}/policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{port}}"], admin { listen = "unix:{{_folder[name]}}/admin.sock" }, cron { enabled = off }
              connections { db { module = Sql, dsn = "Data Source={{_folder["policyd.db"]}}", provider = SQLite } }
              virtual_hosts = [ { port = {{port}}
                plugins = [ { name = a, module = Accounting, fields = sender, time_pattern = "%Y-%m-%d" } ] } ] }
            {{akka}}
            """);
    }
}
