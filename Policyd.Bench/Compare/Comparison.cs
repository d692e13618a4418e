using Policyd.Bench.Commands;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>One measurement of one server.</summary>
/// <param name="ProcessorMicroseconds">Processor time of the server for one request, in microseconds.</param>
/// <param name="ResidentBytes">The server's resident memory at the end.</param>
public sealed record Measurement(LoadReport Load, double ProcessorMicroseconds, long ResidentBytes);

/// <summary>All measurements of one server, in the order of the rounds.</summary>
public sealed record ContenderResult(string Name, TimeSpan FirstAnswer, IReadOnlyList<Measurement> Rounds);

/// <summary>
/// Measures the servers in turn, round by round: on a machine that is busy with other things too, only what was measured
/// in the same minute can be held against each other.
/// </summary>
public static class Comparison
{
    /// <param name="servers">The servers; the first is held against each of the others.</param>
    /// <param name="load">The load; its end point is replaced by each server's, and only the first has to answer as expected.</param>
    /// <param name="report">Takes a line for people as each measurement ends.</param>
    /// <exception cref="InvalidOperationException">A server cannot be started.</exception>
    public static async Task<IReadOnlyList<ContenderResult>> RunAsync(
        IReadOnlyList<ContenderStart> servers, LoadOptions load, int rounds, string directory, Action<string> report, CancellationToken cancellation)
    {
        var contenders = new List<Contender>();
        try
        {
            foreach (var server in servers)
            {
                var contender = await Contender.StartAsync(server, directory, cancellation).ConfigureAwait(false);
                contenders.Add(contender);
                report(FormattableString.Invariant($"{contender.Name}: first answer {contender.FirstAnswer.TotalMilliseconds:0} ms after its start"));
            }

            var results = contenders.ConvertAll(_ => new List<Measurement>());
            // Round 0 is not kept: the just-in-time compiler replaces hot code in the background for its first seconds.
            for (var round = 0; round <= rounds; round++)
            {
                for (var index = 0; index < contenders.Count; index++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    // What our server has to answer says nothing about the others.
                    var asked = index == 0 ? load : load with { Expect = null };
                    var measurement = await MeasureAsync(contenders[index], asked, cancellation).ConfigureAwait(false);
                    report(ComparisonReport.Line(round, contenders[index].Name, measurement));
                    if (round > 0)
                    {
                        results[index].Add(measurement);
                    }
                }
            }

            return [.. contenders.Select((contender, index) => new ContenderResult(contender.Name, contender.FirstAnswer, results[index]))];
        }
        finally
        {
            foreach (var contender in contenders)
            {
                await contender.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private static async Task<Measurement> MeasureAsync(Contender contender, LoadOptions load, CancellationToken cancellation)
    {
        // Warm-up and measurement are two runs, so that the processor time is that of the measured requests alone.
        if (load.Warmup > TimeSpan.Zero)
        {
            _ = await LoadCommand.MeasureAsync(
                load with { Endpoint = contender.Endpoint, Duration = load.Warmup, Requests = null, Warmup = TimeSpan.Zero }, null, cancellation).ConfigureAwait(false);
        }

        var before = contender.ProcessorTime;
        var measured = await LoadCommand.MeasureAsync(load with { Endpoint = contender.Endpoint, Warmup = TimeSpan.Zero }, null, cancellation).ConfigureAwait(false);
        var used = contender.ProcessorTime - before;
        return new Measurement(measured, measured.Requests == 0 ? 0 : used.TotalMicroseconds / measured.Requests, ProcessMemory.ReadResident(contender.ProcessId));
    }
}
