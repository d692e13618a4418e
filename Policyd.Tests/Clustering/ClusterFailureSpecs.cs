using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Real clusters lose nodes while clients send. What they are told must be what the table has: nothing lost, nothing counted twice, nobody
/// over the limit. Times are printed.
/// </summary>
[ServerTest]
public sealed class ClusterFailureSpecs(ITestOutputHelper output)
{
    private const int Senders = 20;
    private const string Sender = "one@example.com";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Node_that_is_killed_under_load_costs_no_count()
    {
        await using var cluster = await ClusterUnderTest.Start(3);
        await using var clients = Clients(cluster);
        await clients.More(300);
        await IsShown(cluster.Nodes[2], members: 3);
        await cluster.Nodes[0].Kill();
        await clients.More(300);
        await IsShown(cluster.Nodes[2], members: 2);
        await cluster.Nodes[0].Start();
        await cluster.Nodes[0].IsMember();
        await clients.AllAsync();
        await ClusterHistory.IsExact(output, "one of three nodes killed", cluster, clients);
    }

    [Fact, SoakTest("a cluster forms, loses nodes and forms again")]
    public async Task One_of_two_nodes_counts_on_whichever_is_killed()
    {
        foreach (var victim in new[] { 0, 1 })
        {
            await using var cluster = await ClusterUnderTest.Start(2);
            await using var clients = Clients(cluster);
            await clients.More(300);
            await cluster.Nodes[victim].Kill();
            await clients.AllAsync();
            await ClusterHistory.IsExact(output, $"node {victim + 1} of two killed", cluster, clients);
            Assert.False(cluster.Nodes[1 - victim].Process.HasExited, cluster.Nodes[1 - victim].Printed);
        }
    }

    [Fact, SoakTest("a cluster forms, loses nodes and forms again")]
    public async Task Node_that_was_stopped_until_it_was_lost_is_refused_when_it_goes_on_and_comes_back()
    {
        await using var cluster = await ClusterUnderTest.Start(3);
        await using var clients = Clients(cluster);
        await clients.More(300);
        var frozen = cluster.Nodes[1];
        frozen.Freeze();
        await Eventually.Holds(
            "the others to take the stopped node for lost",
            () => cluster.Nodes.Where(node => node != frozen)
                .All(static node => node.Printed.Contains("is lost; it is fenced", StringComparison.Ordinal)),
            ClusterUnderTest.Timeout);
        await clients.More(100);
        frozen.Thaw();
        await frozen.IsMember(times: 2);
        await clients.AllAsync();
        await ClusterHistory.IsExact(output, "one of three nodes stopped, and gone on", cluster, clients);
    }

    [Fact, SoakTest("a cluster forms and loses a node")]
    public async Task Node_that_was_stopped_lets_nobody_over_the_limit_when_it_goes_on()
    {
        const int Keys = 12;
        await using var cluster = await ClusterUnderTest.Start(3);
        var (frozen, other) = (cluster.Nodes[1], cluster.Nodes[0]);
        await AreLetIn(frozen, "before", 1, Keys);
        frozen.Freeze();
        await Eventually.Holds(
            "the others to take the stopped node for lost",
            () => other.Printed.Contains("is lost; it is fenced", StringComparison.Ordinal),
            ClusterUnderTest.Timeout);
        await AreLetIn(other, "meanwhile", ClusterUnderTest.Threshold - 1, Keys);

        // These lie in the sockets of the stopped node, which knows of one mail of each key.
        var asked = new List<(PolicyClient Client, Task<string> Action)>();
        for (var key = 0; key < Keys; key++)
        {
            var client = await PolicyClient.ConnectAsync(frozen.Address, Cancel);
            asked.Add((client, client.AskAsync(MailOf(SenderOf(key), $"late.{key}"), Cancel).AsTask()));
        }

        frozen.Thaw();
        foreach (var (client, action) in asked)
        {
            string? told = null;
            try
            {
                told = await action.WaitAsync(ClusterUnderTest.Timeout, Cancel);
            }
            catch (PolicyClientException)
            {
                // It begins anew, and its clients ask again.
            }

            Assert.True(told != "dunno", $"a mail was let in over the limit\n{frozen.Printed}");
            await client.DisposeAsync();
        }
    }

    [Fact, SoakTest("a cluster forms, loses nodes and forms again")]
    public async Task Rolling_restart_costs_no_count()
    {
        await using var cluster = await ClusterUnderTest.Start(3);
        await using var clients = Clients(cluster, senders: 200);
        foreach (var node in cluster.Nodes)
        {
            await clients.More(200);
            node.Process.Terminate();
            Assert.Equal(0, await node.Process.Exits(ClusterUnderTest.Timeout));
            await node.Start();
            await node.IsMember();
        }

        await clients.More(200);
        await clients.EndAsync();
        await ClusterHistory.IsExact(output, "rolling restart of three nodes", cluster, clients);
    }

    [Fact, SoakTest("a cluster forms, loses nodes and forms again")]
    public async Task All_nodes_are_killed_and_the_first_to_come_back_begins_a_cluster_that_the_others_join()
    {
        await using var cluster = await ClusterUnderTest.Start(2);
        await using var clients = Clients(cluster);
        await clients.More(300);
        await Task.WhenAll(cluster.Nodes.Select(static node => node.Kill()));
        await Task.WhenAll(cluster.Nodes.Select(static node => node.Start()));
        await cluster.IsWhole();
        await clients.AllAsync();
        await ClusterHistory.IsExact(output, "both nodes killed", cluster, clients);
    }

    [Fact]
    public async Task Mails_that_a_killed_node_had_spooled_are_counted_by_its_next_life()
    {
        const int Mails = 10;
        await using var cluster = await ClusterUnderTest.Start(1);
        var node = cluster.Nodes[0];
        await AreLetIn(node, "before", Mails);
        await cluster.Database.Stop();
        await AreLetIn(node, "during", Mails);
        await node.Kill();
        await cluster.Database.Start();
        await node.Start();
        await node.IsMember();
        await Eventually.Settles(
            () => $"all mails to be counted; the node printed:\n{node.Printed}",
            async () => (await cluster.Counted())[Sender] >= 2 * Mails,
            ClusterUnderTest.Timeout);
        Assert.Equal(2 * Mails, (await cluster.Counted())[Sender]);
    }

    [Fact]
    public async Task Node_that_is_stopped_takes_itself_out_of_the_database()
    {
        await using var cluster = await ClusterUnderTest.Start(2);
        await Eventually.Holds(
            "both members to be in the database", async () => (await cluster.Entered()).Count == 2, ClusterUnderTest.Timeout);
        cluster.Nodes[0].Process.Terminate();
        Assert.Equal(0, await cluster.Nodes[0].Process.Exits(ClusterUnderTest.Timeout));
        var left = Assert.Single(await cluster.Entered());
        Assert.StartsWith(cluster.Nodes[1].Host, left.Key, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_without_its_database_answers_what_needs_no_counter_and_stops_at_once()
    {
        await using var cluster = await ClusterUnderTest.Start(1);
        await cluster.Database.Stop();
        var node = cluster.Nodes[0];
        await node.Kill();
        await node.Start();
        await using (var client = await PolicyClient.ConnectAsync(node.Address, Cancel))
        {
            var action = await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", "a@example.com")
                    .Add("instance", "1").ToBytes(),
                Cancel);
            Assert.Equal("defer try later", action);
        }

        node.Process.Terminate();
        Assert.Equal(0, await node.Process.Exits());
        await cluster.Database.Start();
        await node.Start();
        await node.IsMember();
    }

    private static string SenderOf(int key) => key == 0 ? Sender : string.Create(CultureInfo.InvariantCulture, $"s{key}@example.com");

    private static byte[] MailOf(string sender, string instance) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", "END-OF-MESSAGE").Add("sender", sender).Add("instance", instance).Add("size", "10").ToBytes();

    private static async Task AreLetIn(ClusterNodeUnderTest node, string name, int mails, int keys = 1)
    {
        await using var client = await PolicyClient.ConnectAsync(node.Address, Cancel);
        for (var mail = 0; mail < mails * keys; mail++)
        {
            var request = MailOf(SenderOf(mail % keys), $"{name}.{mail}");
            var action = string.Empty;

            // As Postfix does: a counter that is not there yet has the mail tried later.
            await Eventually.Settles(
                () => $"mail {name}.{mail} to be let in, not {action}; the node printed:\n{node.Printed}",
                async () => (action = await client.AskAsync(request, Cancel)) == "dunno",
                ClusterUnderTest.Timeout);
        }
    }

    /// <summary>What an operator sees on a node that works.</summary>
    private async Task IsShown(ClusterNodeUnderTest node, int members)
    {
        await node.Sees(members);
        var status = string.Empty;
        await Eventually.Settles(
            () => $"node {node.Host} to work; it shows:\n{status}\nand printed:\n{node.Printed}",
            async () =>
            {
                (var exitCode, status) = await node.Ask("status");
                return exitCode == 0;
            },
            ClusterUnderTest.Timeout);
        output.WriteLine(status);
        Assert.Contains("database         reachable", status, StringComparison.Ordinal);
    }

    private static ClusterClients Clients(ClusterUnderTest cluster, int senders = Senders) =>
        new(cluster.Nodes, clients: 16, senders, mails: ClusterClients.RoundOf(senders), seed: Random.Shared.Next());
}
