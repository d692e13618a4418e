using System.Diagnostics;
using Policyd.Actors.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A cluster is upgraded one node after the other, under load, from the oldest server that speaks the present form of messages to the
/// newest: nodes of two builds count together.
/// </summary>
[ServerTest]
public sealed class ClusterUpgradeSpecs(ITestOutputHelper output)
{
    private const int Senders = 200;

    [Fact(Explicit = true), SoakTest("a server of the past is built")]
    public async Task Nodes_are_upgraded_one_after_the_other_and_no_count_is_lost()
    {
        using var folder = new TemporaryFolder();
        var commit = await EarlierBuild.Later(
            await EarlierBuild.CommitThatBrought($"byte Version = {CounterWire.Version};", "Policyd.Actors/Counters/CounterWire.cs"),
            await EarlierBuild.CommitThatBrought("cluster: this node is a member", "Policyd.Actors/Clustering/ClusterLog.cs"));
        var clock = Stopwatch.StartNew();
        var former = await EarlierBuild.Publish(commit, folder);
        Summary.Line(output, $"upgrade: commit {commit[..12]} was built in {clock.Elapsed.TotalSeconds:0} s");

        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { Program = former });
        await using var clients = new ClusterClients(
            cluster.Nodes, clients: 16, Senders, mails: Senders * (ClusterUnderTest.Threshold + 20), seed: Random.Shared.Next());
        foreach (var node in cluster.Nodes)
        {
            await clients.More(200);
            node.Process.Terminate();
            Assert.Equal(0, await node.Process.Exits(ClusterUnderTest.Timeout));
            node.Program = PolicydProcess.Executable;
            await node.Start();
            await node.IsMember();
        }

        await clients.More(200);
        await clients.EndAsync();
        await ClusterHistory.IsExact(output, $"three nodes upgraded from {commit[..12]}", cluster, clients);
    }
}
