using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Holds what clients were answered against what the table has: nothing lost, nothing counted twice, nobody over the limit.
/// </summary>
internal static class ClusterHistory
{
    public static async Task IsExact(ITestOutputHelper output, string what, ClusterUnderTest cluster, ClusterClients clients)
    {
        var answered = clients.Answered;
        var letIn = answered.Where(static mail => mail.IsLetIn).GroupBy(static mail => mail.Sender)
            .ToDictionary(static of => of.Key, static of => (long)of.Count());
        var counted = new Dictionary<string, long>();
        var told = string.Empty;
        await Eventually.Settles(
            () => $"{what}: the table to have what clients were told: {told}\n{cluster.Printed}",
            async () =>
            {
                counted = await cluster.Counted();
                told = string.Join(", ", letIn.Where(of => counted.GetValueOrDefault(of.Key) < of.Value)
                    .Select(of => $"{of.Key} let in {of.Value}, counted {counted.GetValueOrDefault(of.Key)}"));
                return told.Length == 0;
            },
            ClusterUnderTest.Timeout);
        var twice = letIn.Where(of => counted[of.Key] > of.Value).ToList();
        var over = letIn.Where(static of => of.Value > ClusterUnderTest.Threshold).ToList();
        var slowest = answered.Max(static mail => mail.Took).TotalSeconds;
        Summary.Line(
            output,
            $"{what}: {answered.Count} mails answered, {letIn.Values.Sum()} let in, {counted.Values.Sum()} counted, "
                + $"{twice.Count} keys counted too much, {over.Count} over the limit; the slowest mail took {slowest:0.0} s");
        Assert.True(twice.Count == 0, $"{what}: counted more than was let in: {string.Join(", ", twice)}\n{cluster.Printed}");
        Assert.True(over.Count == 0, $"{what}: over the limit: {string.Join(", ", over)}\n{cluster.Printed}");
    }
}
