using System.Diagnostics;
using System.Globalization;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>A node that is stopped hands its keys over. The clients of the others see how long that takes, which is printed.</summary>
[ServerTest]
public sealed class ClusterLeaveSpecs(ITestOutputHelper output)
{
    private const int Senders = 200;

    [Theory(Explicit = true), SoakTest("a cluster forms and loses a node")]
    [InlineData("one")]
    [InlineData("the oldest")]
    public async Task Planned_leave_of_a_node_costs_no_count(string which)
    {
        await using var cluster = await ClusterUnderTest.Start(3);
        var oldest = await cluster.Oldest();
        var leaving = which == "the oldest" ? oldest : cluster.Nodes.First(node => node != oldest);
        await using var clients = new ClusterClients(
            [.. cluster.Nodes.Where(node => node != leaving)],
            clients: 16,
            Senders,
            ClusterClients.RoundOf(Senders),
            seed: Random.Shared.Next());
        await clients.More(400);   // the first mails wait for code that is compiled
        var before = clients.Answered.Count;
        var clock = Stopwatch.StartNew();
        leaving.Process.Terminate();
        Assert.Equal(0, await leaving.Process.Exits(ClusterUnderTest.Timeout));
        var took = clock.Elapsed;
        await clients.More(400);
        await clients.EndAsync();
        Summary.Line(output, string.Create(
            CultureInfo.InvariantCulture,
            $"{which} of three nodes leaves: it ended after {took.TotalSeconds:0.0} s; meanwhile and afterwards the slowest mail at the "
                + $"others took {clients.Answered.Skip(before).Max(static mail => mail.Took).TotalSeconds:0.00} s"));
        await ClusterHistory.IsExact(output, $"{which} of three nodes leaves", cluster, clients);
    }
}
