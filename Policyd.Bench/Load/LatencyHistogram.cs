using System.Numerics;

namespace Policyd.Bench.Load;

/// <summary>
/// Counts durations in log-linear buckets: 128 to each power of two, so a percentile is at most 1/128 above the true
/// one, whatever its size. Fixed memory and no allocation to record, because it runs beside the server it measures.
/// </summary>
public sealed class LatencyHistogram
{
    private const int SubBucketBits = 7;
    private const int SubBuckets = 1 << SubBucketBits;

    private readonly long[] _counts = new long[(64 - SubBucketBits + 1) * SubBuckets];
    private Int128 _sum;

    public long Count { get; private set; }

    /// <summary>The smallest recorded value, exact; 0 when nothing is recorded.</summary>
    public long Min { get; private set; }

    /// <summary>The largest recorded value, exact; 0 when nothing is recorded.</summary>
    public long Max { get; private set; }

    public double Mean => Count == 0 ? 0 : (double)_sum / Count;

    /// <summary>Records one value in the caller's unit. The clock may step back between two processors: below 0 counts as 0.</summary>
    public void Record(long value)
    {
        value = Math.Max(value, 0);
        _counts[IndexOf(value)]++;
        Min = Count == 0 ? value : Math.Min(Min, value);
        Max = Math.Max(Max, value);
        _sum += value;
        Count++;
    }

    /// <summary>
    /// The value that <paramref name="percent"/> of the records do not exceed (nearest rank), rounded up to the end of its
    /// bucket and never above <see cref="Max"/>; 0 when nothing is recorded.
    /// </summary>
    public long Percentile(double percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        // In decimal, because 99.9 / 100 * 1000 is 999.0000000000001 in binary and would name the next record.
        var rank = Math.Max(1, (long)Math.Ceiling((decimal)percent / 100 * Count));
        var seen = 0L;
        for (var index = 0; index < _counts.Length; index++)
        {
            seen += _counts[index];
            if (seen >= rank)
            {
                return Math.Min(Max, LastValueOf(index));
            }
        }

        return 0;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        (Count, Min, Max, _sum) = (0, 0, 0, 0);
    }

    // Below 128 each value has its bucket; above, the top eight bits (a one and seven more) name it.
    private static int IndexOf(long value)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)value) - SubBucketBits);
        return (shift << SubBucketBits) + (int)(value >> shift);
    }

    private static long LastValueOf(int index)
    {
        var shift = Math.Max(0, (index >> SubBucketBits) - 1);
        var first = (long)(index - (shift << SubBucketBits)) << shift;
        return first + (1L << shift) - 1;
    }
}
