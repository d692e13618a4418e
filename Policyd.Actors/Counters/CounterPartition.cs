using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>Which partition of a cluster a key belongs to: the same on every node, of every version.</summary>
public static class CounterPartition
{
    /// <summary>The partition of a key.</summary>
    /// <param name="key">The key, as its table holds it.</param>
    /// <param name="partitions">How many there are.</param>
    /// <returns>Its number, from 0.</returns>
    public static int Of(CounterKey key, int partitions)
    {
        var hash = Fnv1a.Add(Fnv1a.Add(Fnv1a.Add(Fnv1a.Start, key.Connection), key.Table), key.Key);

        // The low bits of FNV-1a alone are uneven for texts that differ in one letter.
        hash ^= hash >> 15;
        return (int)(hash * 0x9E3779B1u % (uint)partitions);
    }
}
