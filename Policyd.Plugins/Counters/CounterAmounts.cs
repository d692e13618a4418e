using System.Globalization;

namespace Policyd.Plugins.Counters;

/// <summary>
/// The four sums of a counter, or what one mail adds to them. Sums saturate at the ends of 64 bits instead of wrapping: a
/// size that a broken client made up must not turn a full quota into an empty one.
/// </summary>
/// <param name="Count">Mails.</param>
/// <param name="CountRcpt">Recipients.</param>
/// <param name="Size">Bytes.</param>
/// <param name="SizeRcpt">Bytes times recipients.</param>
public readonly record struct CounterAmounts(long Count, long CountRcpt, long Size, long SizeRcpt)
{
    /// <summary>Nothing.</summary>
    public static CounterAmounts Zero => default;

    /// <summary>What one mail adds. A missing or zero <c>recipient_count</c> counts as one recipient; negative numbers as absent.</summary>
    /// <param name="recipients">The request's <c>recipient_count</c>, 0 when absent.</param>
    /// <param name="size">The request's <c>size</c> in bytes, 0 when absent.</param>
    public static CounterAmounts OfMail(int recipients, long size)
    {
        long r = recipients > 0 ? recipients : 1;
        var s = Math.Max(0, size);
        return new CounterAmounts(1, r, s, s > long.MaxValue / r ? long.MaxValue : s * r);
    }

    /// <summary>The sums under the names that options and <c>policyd counter</c> have for them.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"count={Count} count_rcpt={CountRcpt} size={Size} size_rcpt={SizeRcpt}");

    /// <summary>The sum of one metric.</summary>
    public long this[CounterMetric metric] => metric switch
    {
        CounterMetric.Count => Count,
        CounterMetric.CountRcpt => CountRcpt,
        CounterMetric.Size => Size,
        CounterMetric.SizeRcpt => SizeRcpt,
        _ => throw new ArgumentOutOfRangeException(nameof(metric), metric, null),
    };

    /// <summary>Adds each sum, saturating.</summary>
    public static CounterAmounts operator +(CounterAmounts left, CounterAmounts right) => new(
        Add(left.Count, right.Count), Add(left.CountRcpt, right.CountRcpt), Add(left.Size, right.Size), Add(left.SizeRcpt, right.SizeRcpt));

    /// <summary>Subtracts each sum, saturating.</summary>
    public static CounterAmounts operator -(CounterAmounts left, CounterAmounts right) => new(
        Subtract(left.Count, right.Count),
        Subtract(left.CountRcpt, right.CountRcpt),
        Subtract(left.Size, right.Size),
        Subtract(left.SizeRcpt, right.SizeRcpt));

    /// <summary>The larger of each sum.</summary>
    public static CounterAmounts Max(CounterAmounts left, CounterAmounts right) => new(
        Math.Max(left.Count, right.Count),
        Math.Max(left.CountRcpt, right.CountRcpt),
        Math.Max(left.Size, right.Size),
        Math.Max(left.SizeRcpt, right.SizeRcpt));

    private static long Add(long a, long b)
    {
        var sum = unchecked(a + b);
        return ((a ^ sum) & (b ^ sum)) < 0 ? (a < 0 ? long.MinValue : long.MaxValue) : sum;
    }

    private static long Subtract(long a, long b)
    {
        var difference = unchecked(a - b);
        return ((a ^ b) & (a ^ difference)) < 0 ? (a < 0 ? long.MinValue : long.MaxValue) : difference;
    }
}
