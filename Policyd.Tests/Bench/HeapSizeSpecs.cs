using Policyd.Bench.Runtime;
using Policyd.Tests.Support;

namespace Policyd.Tests.Bench;

/// <summary>What a runtime tells of its heap.</summary>
[Collection(Alone.Name)]
public sealed class HeapSizeSpecs
{
    [Fact]
    public async Task Heap_is_what_survives_and_not_the_holes_between()
    {
        const int Blocks = 400;
        const int BlockBytes = 100_000;
        const int Kept = Blocks / 10 * BlockBytes;

        // What the tests before have left may end meanwhile, so one of several measurements has to be right.
        await Eventually.Holds(
            "the heap to grow by what is kept",
            async () => await GrowthBy(Blocks, BlockBytes) is > Kept / 2 and < 3 * Kept);
    }

    // Objects so large are not moved: between any two that live remains the place of nine that do not.
    private static async Task<long> GrowthBy(int count, int bytes)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var before = await HeapSize.ReadAsync(Environment.ProcessId, cancellation);
        var blocks = Enumerable.Range(0, count).Select(_ => GC.AllocateUninitializedArray<byte>(bytes)).ToArray();
        for (var index = 0; index < count; index++)
        {
            blocks[index] = index % 10 == 0 ? blocks[index] : [];
        }

        var grown = await HeapSize.ReadAsync(Environment.ProcessId, cancellation) - before;
        GC.KeepAlive(blocks);
        return grown;
    }
}
