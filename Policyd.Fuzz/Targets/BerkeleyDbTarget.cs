using Policyd.Backends.LookupFiles;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>Berkeley DB files of type hash and btree, whole and damaged.</summary>
internal sealed class BerkeleyDbTarget() : FuzzTarget(
    "berkeley-db",
    "the pairs are those of a plain reader, or both refuse the file",
    new AllocationBound(64 * 1024, 64))
{
    public override IReadOnlyList<byte[]> Samples { get; } = [SampleFiles.Read("hash.db"), SampleFiles.Read("btree.db")];

    public override int LongestInput => 16 * 1024;

    // The heads of pages, and the places of their items, steer the reader.
    public override void Shape(byte[] input, Random random) => SampleFiles.ShapePages(input, random, 512, headBytes: 60);

    public override Outcome Execute(byte[] input, Meter meter)
    {
        Dictionary<string, string> pairs;
        var expected = PlainBerkeleyDbReader.Describe(input);
        try
        {
            pairs = meter.Run(() => BerkeleyDbFile.Read(input));
        }
        catch (InvalidDataException refused)
        {
            Check.That(expected is null, $"{refused.Message}, and yet the plain reader has {Check.Shown(expected ?? "")}");
            return Outcome.Rejected(refused.Message);
        }

        Check.Same(expected ?? "(refused)", Texts.Of(pairs), "the pairs");
        return Outcome.Accepted($"{Math.Log2(1 + pairs.Count):0}");
    }
}
