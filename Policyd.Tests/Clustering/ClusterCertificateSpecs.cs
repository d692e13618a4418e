using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>The life of a certificate in a real cluster: one node's is forgotten until it has expired, and is renewed then.</summary>
[ServerTest]
public sealed class ClusterCertificateSpecs(ITestOutputHelper output)
{
    private const int Senders = 20;

    [Fact]
    public async Task Node_whose_certificate_has_expired_harms_no_other_and_comes_back_when_it_is_renewed()
    {
        // A member that a busy machine keeps waiting is not to be taken for lost.
        await using var cluster = await ClusterUnderTest.Start(new ClusterSetup(3) { Cluster = "failure_after = 30s" });
        var late = cluster.Nodes[2];
        late.Process.Terminate();
        Assert.Equal(0, await late.Process.Exits(ClusterUnderTest.Timeout));
        late.Certify(until: TimeSpan.FromMinutes(-1));
        await late.Start();
        await late.Process.Prints("expired at", ClusterUnderTest.Timeout);

        await using var clients = new ClusterClients(
            [.. cluster.Nodes.Take(2)], clients: 8, Senders, mails: Senders * ClusterUnderTest.Threshold, seed: Random.Shared.Next());
        await clients.More(300);
        await Eventually.Holds(
            "the others to tell why they refuse it",
            () => cluster.Nodes.Take(2).Any(static node => node.Printed.Contains("its certificate expired at", StringComparison.Ordinal)),
            ClusterUnderTest.Timeout);
        Assert.Equal(0, late.MemberLines);

        late.Certify();
        await late.IsMember();
        await clients.More(300);
        await clients.EndAsync();
        Assert.All(cluster.Nodes, static node => Assert.Equal(1, node.MemberLines));
        await ClusterHistory.IsExact(output, "one of three nodes with an expired certificate, renewed later", cluster, clients);
    }
}
