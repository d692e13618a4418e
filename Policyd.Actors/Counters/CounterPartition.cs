using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>Which partition of a cluster a key belongs to: the same on every node, of every version.</summary>
internal static class CounterPartition
{
    private const uint Offset = 2166136261;
    private const uint Prime = 16777619;

    /// <summary>The partition of a key.</summary>
    public static int Of(CounterKey key, int partitions)
    {
        var hash = Mix(Mix(Mix(Offset, key.Connection), key.Table), key.Key);

        // The low bits of FNV-1a alone are uneven for texts that differ in one letter.
        hash ^= hash >> 15;
        return (int)(hash * 0x9E3779B1u % (uint)partitions);
    }

    private static uint Mix(uint hash, string text)
    {
        foreach (var letter in text)
        {
            hash = (hash ^ letter) * Prime;
        }

        return (hash ^ '\n') * Prime;
    }
}
