using Policyd.Fuzz.Harness;

namespace Policyd.Tests.Fuzz;

/// <summary>A target with a fault that the test plants.</summary>
internal sealed class PlantedTarget(Func<byte[], Outcome> product, params byte[][] words)
    : FuzzTarget("planted", "nothing", new AllocationBound(1024, 8))
{
    public override IReadOnlyList<byte[]> Samples { get; } = ["sample one"u8.ToArray(), "sample two"u8.ToArray()];

    public override IReadOnlyList<byte[]> Words => words;

    public override Outcome Execute(byte[] input, Meter meter) => meter.Run(() => product(input));
}
