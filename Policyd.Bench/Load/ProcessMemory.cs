using System.Globalization;

namespace Policyd.Bench.Load;

/// <summary>The resident memory of a process over a run, from Linux's /proc: shows whether a server holds its size.</summary>
public sealed class ProcessMemory(int pid)
{
    private readonly List<long> _samples = [];

    /// <summary>Reads the resident set in bytes.</summary>
    /// <exception cref="InvalidOperationException">The process is gone, or there is no /proc.</exception>
    public static long ReadResident(int pid)
    {
        const string Label = "VmRSS:";
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(line => line.StartsWith(Label, StringComparison.Ordinal))
                ?? throw new InvalidOperationException($"Process {pid} has ended.");
            return long.Parse(line.AsSpan(Label.Length).Trim().TrimEnd(" kB"), CultureInfo.InvariantCulture) * 1024;
        }
        catch (IOException)
        {
            throw new InvalidOperationException($"The memory of process {pid} cannot be read: no /proc/{pid}/status.");
        }
    }

    /// <summary>The latest sample; null before the first.</summary>
    public long? Last => _samples.Count > 0 ? _samples[^1] : null;

    public void Sample() => _samples.Add(ReadResident(pid));

    public MemorySummary Summarize()
    {
        var sorted = _samples.Order().ToArray();
        return new MemorySummary(_samples[0], sorted[0], sorted[sorted.Length / 2], sorted[^1], _samples[^1]);
    }
}

/// <summary>Resident bytes at the start of a run, the least, the median, the most, and at its end.</summary>
public sealed record MemorySummary(long Start, long Min, long Median, long Max, long End)
{
    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"start {Mebibytes(Start)}  min {Mebibytes(Min)}  median {Mebibytes(Median)}  max {Mebibytes(Max)}  end {Mebibytes(End)} MiB");

    private static string Mebibytes(long bytes) => (bytes / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture);
}
