using System.Globalization;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>What a key costs whose owner is in memory: the actor, its sums, its key and its places in tables.</summary>
[Collection(Alone.Name)]
public sealed class OwnerMemorySpecs(ITestOutputHelper output)
{
    private const int Warm = 2_000;
    private const int Owners = 20_000;

    // Measured here: 1,020 to 1,035. Of the published server Policyd.Bench compare tells less, since it leaves out what pools keep.
    private const long MostBytes = 1_100;
    private static readonly CounterWindow Month = new("2026-11");

    [Fact]
    public async Task Owner_takes_about_a_kilobyte()
    {
        await using var node = await CounterNodeUnderTest.StartAlone(new ScriptedCounterStore());
        await Ask(node, 0, Warm);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await Ask(node, Warm, Owners);
        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Owners;
        Assert.Equal(Warm + Owners, node.Owners.Count);
        Summary.Line(output, string.Create(CultureInfo.InvariantCulture, $"an owner: {each} bytes"));
        Assert.InRange(each, 0, MostBytes);
    }

    private static async Task Ask(CounterNodeUnderTest node, int first, int count)
    {
        const int AtOneTime = 500;
        foreach (var numbers in Enumerable.Range(first, count).Chunk(AtOneTime))
        {
            var phase = new CounterPhase();
            var reads = numbers.Select(number => phase.Put(new ReadOperation(KeyOf(number), Month))).ToList();
            await phase.RunAsync(node.Counters, TestContext.Current.CancellationToken).AsTask().WaitAsync(Eventually.Timeout);
            Assert.All(reads, static read => Assert.Equal(CounterState.Known, read.Answer.State));
        }
    }

    private static CounterKey KeyOf(int number) =>
        new("db", "acct_sender", string.Create(CultureInfo.InvariantCulture, $"user{number}@example.org"));
}
