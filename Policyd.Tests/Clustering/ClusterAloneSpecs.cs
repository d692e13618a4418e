using System.Diagnostics;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A node whose others are away: it listens, answers what needs a counter as its configuration says, and stops when it is told to, in each
/// state. Times are printed; those of a quiet machine are in docs/cluster.md.
/// </summary>
[ServerTest]
public sealed class ClusterAloneSpecs(ITestOutputHelper output) : IDisposable
{
    private const string Plugins = """
        {
          name = q, module = Quota, field = sender, metric = count, threshold = 100, time_pattern = "%Y", wait = 1s
          action = "reject full", when_unavailable = "defer try later"
        }
        { name = a, module = Accounting, fields = sender, time_pattern = "%Y", wait = 1s, on_error = "defer try later" }
        """;

    private readonly int _http = FreePort.Next();
    private readonly HttpClient _client = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Node_alone_listens_answers_and_stops_in_each_state()
    {
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(1)
        {
            Plugins = Plugins,
            Sections = $"cron {{ enabled = off }}, http {{ listen = \"127.0.0.1:{_http}\" }}",
        });
        var node = cluster.Nodes[0];
        await TellsWhetherItIsReady("ready\n");
        await AnswersAndStops(node, "member", "dunno");

        // Another has the lease and forms a cluster, and never comes to an end.
        await using (var database = await cluster.OpenDatabase())
        {
            await Eventually.Holds(
                "the lease to be given back",
                async () => (await database.Numbers("SELECT name, 1 FROM policyd_leases WHERE name = 'formation'")).Count == 0,
                ClusterUnderTest.Timeout);
            await database.Execute("INSERT INTO policyd_leases (name, owner, expires) VALUES ('formation', 'another', 9000000000000)");
            await Starts(node);
            await TellsWhetherItIsReady("not ready: in its cluster: looking\n");
            await AnswersAndStops(node, "looking", "defer try later");
        }

        await using (await BeatingMember.Enter(cluster))
        {
            await Starts(node);
            await TellsWhetherItIsReady("not ready: in its cluster: joining\n");
            await AnswersAndStops(node, "joining", "defer try later");
        }

        await cluster.Database.Stop();
        await Starts(node);
        await AnswersAndStops(node, "looking", "defer try later", "without its database");
    }

    [Fact]
    public async Task Node_that_is_cut_off_answers_and_stops()
    {
        await using var cluster = await ClusterUnderTest.Start(
            new ClusterSetup(3) { Plugins = Plugins, Cluster = "decide_after = 1m" });
        await cluster.Nodes[0].Sees(members: 3);
        foreach (var other in cluster.Nodes.Skip(1))
        {
            other.Freeze();
        }

        await AnswersAndStops(cluster.Nodes[0], "cut off", "defer try later");
        foreach (var other in cluster.Nodes.Skip(1))
        {
            other.Thaw();
        }
    }

    private async Task Starts(ClusterNodeUnderTest node)
    {
        var since = Stopwatch.StartNew();
        await node.Start();
        Summary.Line(output, $"a node alone listens after {since.Elapsed.TotalSeconds:0.0} s");
    }

    /// <summary>Waits until <c>/readyz</c> says so. A load balancer goes by its status.</summary>
    private async Task TellsWhetherItIsReady(string expected)
    {
        var told = (Status: 0, Text: string.Empty);
        await Eventually.Settles(
            () => $"/readyz to say {expected}, not {told}",
            async () =>
            {
                using var response = await _client.GetAsync(new Uri($"http://127.0.0.1:{_http}/readyz"), Cancel);
                told = ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Cancel));
                return told == (expected == "ready\n" ? 200 : 503, expected);
            },
            ClusterUnderTest.Timeout);
    }

    private async Task AnswersAndStops(ClusterNodeUnderTest node, string state, string expected, string also = "")
    {
        await node.IsInState(state);
        var asked = Stopwatch.StartNew();
        await using (var client = await PolicyClient.ConnectAsync(node.Address, Cancel))
        {
            // Between its membership and its counters a member asks to try later.
            var action = string.Empty;
            await Eventually.Settles(
                () => $"the answer \"{expected}\", not \"{action}\", of a node that is {state} {also}; it printed:\n{node.Printed}",
                async () => (action = await client.AskAsync(
                    PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", "a@example.com")
                        .Add("instance", "1").ToBytes(),
                    Cancel)) == expected,
                ClusterUnderTest.Timeout);
        }

        asked.Stop();
        var stopped = Stopwatch.StartNew();
        node.Process.Terminate();
        Assert.Equal(0, await node.Process.Exits(ClusterUnderTest.Timeout));
        Summary.Line(
            output,
            $"a node alone, {state} {also}: answered \"{expected}\" after {asked.Elapsed.TotalSeconds:0.0} s, "
                + $"ended {stopped.Elapsed.TotalSeconds:0.0} s after SIGTERM");
    }

    /// <summary>A member that lives by its row in the database, and is reached by nobody.</summary>
    private sealed class BeatingMember(ClusterDatabaseSession database) : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private Task _beating = Task.CompletedTask;

        public static async Task<BeatingMember> Enter(ClusterUnderTest cluster)
        {
            var member = new BeatingMember(await cluster.OpenDatabase());
            await member.BeginAsync();
            return member;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _beating.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await database.DisposeAsync();
            _stop.Dispose();
        }

        private async Task BeginAsync()
        {
            await database.Execute(
                "INSERT INTO policyd_members (member, address, beat, at) VALUES ('127.0.7.9:1#1', '127.0.7.9:1', 0, 0)");
            _beating = BeatAsync();
        }

        private async Task BeatAsync()
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await database.Execute("UPDATE policyd_members SET beat = beat + 1");
            }
        }
    }
}
