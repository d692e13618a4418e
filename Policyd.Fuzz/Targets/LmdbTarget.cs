using Policyd.Backends.LookupFiles;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>LMDB files, whole and damaged.</summary>
internal sealed class LmdbTarget() : FuzzTarget(
    "lmdb",
    "the pairs are those of a plain reader, or both refuse the file; a snapshot is the file itself",
    new AllocationBound(64 * 1024, 32))
{
    public override IReadOnlyList<byte[]> Samples { get; } = [SampleFiles.Read("map.lmdb")];

    public override int LongestInput => 48 * 1024;

    public override void Shape(byte[] input, Random random) => SampleFiles.ShapePages(input, random, 4096, headBytes: 160);

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var expected = PlainLmdbReader.Describe(input);
        Dictionary<string, string> pairs;
        try
        {
            pairs = meter.Run(() => LmdbFile.Read(input));
        }
        catch (InvalidDataException refused)
        {
            Check.That(expected is null, $"{refused.Message}, and yet the plain reader has {Check.Shown(expected ?? "")}");
            return Outcome.Rejected(refused.Message);
        }

        Check.Same(expected ?? "(refused)", Texts.Of(pairs), "the pairs");
        using var stream = new MemoryStream(input);
        var snapshot = meter.Run(() => LmdbSnapshot.Take(stream, input.Length));
        Check.Same(input, snapshot, "the snapshot");
        return Outcome.Accepted($"{Math.Log2(1 + pairs.Count):0}");
    }
}
