using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Nodes of a cluster are killed one after the other under load, on each kind of database: nothing lost, nothing counted twice, nobody over
/// the limit.
/// </summary>
[ServerTest]
[SoakTest("a cluster loses node after node")]
public sealed class ClusterKillsSpecs(ITestOutputHelper output)
{
    private const int Senders = 20;

    [Theory]
    [InlineData(10, false, Explicit = true)]
    [InlineData(10, true, Explicit = true)]
    [InlineData(1, true)]
    public async Task Nodes_that_are_killed_one_after_the_other_cost_no_count(int kills, bool onMariaDb)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { OnMariaDb = onMariaDb });
        await using var clients = new ClusterClients(cluster.Nodes, clients: 16, Senders, mails: int.MaxValue, seed);
        await clients.More(300);
        await AskEachOtherDirectly(cluster);
        for (var kill = 0; kill < kills; kill++)
        {
            // Every second time the one that runs what runs once, the coordinator of the shards among it.
            var victim = kill % 2 == 0 ? await cluster.Oldest() : cluster.Nodes[random.Next(cluster.Nodes.Count)];
            await victim.Kill();
            await clients.More(300);
            await victim.Start();
            await victim.IsMember();
            await clients.More(300);
            await AskEachOtherDirectly(cluster);
        }

        await clients.EndAsync();
        await ClusterHistory.IsExact(
            output, $"{kills} kills of three nodes on {(onMariaDb ? "MariaDB" : "PostgreSQL")} (seed {seed})", cluster, clients);
    }

    // Each node has asked each other one by now: also the one that has come back, and the others that one.
    private static async Task AskEachOtherDirectly(ClusterUnderTest cluster)
    {
        foreach (var node in cluster.Nodes)
        {
            foreach (var other in cluster.Nodes.Where(other => other != node))
            {
                await node.Process.Prints($"cluster: direct connection to node {other.Host}:", ClusterUnderTest.Timeout);
            }
        }
    }
}
