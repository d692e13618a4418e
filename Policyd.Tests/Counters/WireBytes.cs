using Policyd.Actors.Counters;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>Whole messages between nodes, as bytes.</summary>
internal static class WireBytes
{
    public static byte[] Of(IEnumerable<(ulong Number, CounterOperation Operation)> operations)
    {
        var batch = new WireBatch();
        foreach (var (number, operation) in operations)
        {
            batch.Add(number, operation);
        }

        return batch.Take();
    }

    public static byte[] Of(IEnumerable<WireAnswer> answers)
    {
        var batch = new WireBatch();
        foreach (var answer in answers)
        {
            batch.Add(answer);
        }

        return batch.Take();
    }
}
