using System.Diagnostics;

namespace Policyd.Bench.Load;

/// <summary>The state of a run, once in <see cref="LoadOptions.ProgressInterval"/>.</summary>
/// <param name="Elapsed">Since the first request.</param>
/// <param name="Warming">The measured time has not begun.</param>
/// <param name="RequestsPerSecond">Over the last interval.</param>
/// <param name="Latencies">Since the measurement, or the warm-up, began.</param>
/// <param name="Resident">The server's resident bytes, when its process was named.</param>
public sealed record LoadProgress(
    TimeSpan Elapsed, bool Warming, double RequestsPerSecond, LatencySummary Latencies, long Errors, long? Resident);

/// <summary>Tells the state of a run to whoever shows it.</summary>
internal sealed class LoadProgressTeller(TimeSpan interval, LoadTally tally, ServerWatch? server, Action<LoadProgress>? progress)
{
    private long _last;
    private long _answers;

    /// <summary>Counts anew from here: the run begins, or its warm-up is over.</summary>
    public void Restart(long now) => (_last, _answers) = (now, 0);

    public void TellIfDue(LoadPhases phases, long now)
    {
        if (now - _last < LoadPhases.Ticks(interval))
        {
            return;
        }

        server?.SampleMemory();
        var rate = (tally.Answers - _answers) / Stopwatch.GetElapsedTime(_last, now).TotalSeconds;
        (_last, _answers) = (now, tally.Answers);
        progress?.Invoke(new LoadProgress(
            Stopwatch.GetElapsedTime(phases.Started, now),
            phases.Warming,
            rate,
            tally.Latencies,
            tally.Errors.Total,
            server?.LastResident));
    }
}
