using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>Some of a counter's four sums.</summary>
[Flags]
public enum CounterSums : byte
{
    None = 0,
    Count = 1,
    CountRcpt = 2,
    Size = 4,
    SizeRcpt = 8,
    All = Count | CountRcpt | Size | SizeRcpt,
}

internal static class CounterSumsExtensions
{
    public static CounterSums Of(CounterMetric metric) => (CounterSums)(1 << (int)metric);

    /// <summary>The amounts with the chosen sums replaced.</summary>
    public static CounterAmounts With(this CounterAmounts amounts, CounterSums which, CounterAmounts chosen) => new(
        which.HasFlag(CounterSums.Count) ? chosen.Count : amounts.Count,
        which.HasFlag(CounterSums.CountRcpt) ? chosen.CountRcpt : amounts.CountRcpt,
        which.HasFlag(CounterSums.Size) ? chosen.Size : amounts.Size,
        which.HasFlag(CounterSums.SizeRcpt) ? chosen.SizeRcpt : amounts.SizeRcpt);
}
