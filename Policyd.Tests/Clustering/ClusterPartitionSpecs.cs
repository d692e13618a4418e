using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// One of three nodes is cut off from the others, silently, while clients reach all of them: nobody is let in over a limit on either side,
/// and nothing that was answered is lost or counted twice.
/// </summary>
[ServerTest]
[SoakTest("real time passes while a network is cut")]
public sealed class ClusterPartitionSpecs(ITestOutputHelper output)
{
    private const int Senders = 20;

    // More mails come than the threshold allows, and nobody can tell.
    private const string ByDefault = """
        { name = q, module = Quota, field = sender, metric = count, threshold = 3, time_pattern = "%Y", wait = 3s, action = "reject full" }
        { name = a, module = Accounting, fields = sender, time_pattern = "%Y", wait = 3s }
        """;

    [Theory]
    [InlineData(5, false)]
    [InlineData(15, false, Explicit = true)]
    [InlineData(40, false, Explicit = true)]
    [InlineData(5, true, Explicit = true)]
    [InlineData(15, true, Explicit = true)]
    [InlineData(40, true, Explicit = true)]
    public async Task Node_that_is_cut_off_lets_nobody_in_over_a_limit_and_comes_back(int seconds, bool alsoDatabase)
    {
        await using var network = await ClusterNetwork.Create(3);
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { Network = network });
        await using var clients = new ClusterClients(
            cluster.Nodes, clients: 16, Senders, mails: ClusterClients.RoundOf(Senders), seed: Random.Shared.Next());
        await clients.More(300);
        await network.Cut(2, alsoDatabase);
        await Task.Delay(TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);   // the length of the cut is what is tested
        await network.Mend();
        await clients.AllAsync();
        await ClusterHistory.IsExact(
            output, $"one of three nodes cut off for {seconds} s{(alsoDatabase ? ", also from the database" : "")}", cluster, clients);
        foreach (var node in cluster.Nodes)
        {
            await node.Sees(members: 3);
        }
    }

    [Fact]
    public async Task Mails_that_a_node_without_others_and_database_lets_in_by_default_are_counted_later()
    {
        const int Mails = 10;
        const string Sender = "one@example.com";
        await using var network = await ClusterNetwork.Create(3);
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { Network = network, Plugins = ByDefault });
        var node = cluster.Nodes[1];
        await network.Cut(2, alsoDatabase: true);
        await node.Process.Prints("cluster: no quorum, 1 of 3 members are reached", ClusterUnderTest.Timeout);
        await Task.WhenAll(Enumerable.Range(0, Mails).Select(mail => IsLetIn(node, Sender, mail)));
        await network.Mend();

        var counted = 0L;
        await Eventually.Settles(
            () => $"{Mails} mails to be counted, not {counted}:\n{cluster.Printed}",
            async () => (counted = (await cluster.Counted()).GetValueOrDefault(Sender)) >= Mails,
            ClusterUnderTest.Timeout);
        foreach (var one in cluster.Nodes)
        {
            await one.Sees(members: 3);
        }

        Assert.Equal(Mails, (await cluster.Counted())[Sender]);
        Summary.Line(output, $"a node without others and database: {Mails} mails let in by default, {counted} counted later");
    }

    /// <summary>Sends a mail until it is let in: the node may begin anew meanwhile.</summary>
    private static Task IsLetIn(ClusterNodeUnderTest node, string sender, int mail)
    {
        var action = string.Empty;
        return Eventually.Settles(
            () => $"mail {mail} to be let in, not {action}; the node printed:\n{node.Printed}",
            async () =>
            {
                try
                {
                    await using var client = await PolicyClient.ConnectAsync(node.Address, TestContext.Current.CancellationToken);
                    action = await client.AskAsync(
                        PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", sender)
                            .Add("instance", string.Create(CultureInfo.InvariantCulture, $"p.{mail}")).Add("size", "10").ToBytes(),
                        TestContext.Current.CancellationToken);
                    return action == "dunno";
                }
                catch (PolicyClientException)
                {
                    return false;
                }
            },
            ClusterUnderTest.Timeout);
    }
}
