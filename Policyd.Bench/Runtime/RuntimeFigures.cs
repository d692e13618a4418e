namespace Policyd.Bench.Runtime;

/// <summary>What the .NET runtime of a process counted over some time.</summary>
/// <param name="AllocatedBytes">Bytes allocated on the collector's heap.</param>
/// <param name="WorkItems">Work items that the thread pool has completed.</param>
/// <param name="Pauses">Milliseconds that each garbage collection stopped all threads.</param>
public sealed record RuntimeFigures(double AllocatedBytes, double WorkItems, IReadOnlyList<double> Pauses)
{
    public double LongestPause => Pauses.DefaultIfEmpty(0).Max();

    public double TotalPause => Pauses.Sum();
}
