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

    [Theory]
    [InlineData(5, false)]
    [InlineData(15, false, Explicit = true)]
    [InlineData(40, false, Explicit = true)]
    [InlineData(5, true)]
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
}
