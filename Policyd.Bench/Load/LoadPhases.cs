using System.Diagnostics;

namespace Policyd.Bench.Load;

/// <summary>Where a run is: warming up, measuring or ending; all times are the stopwatch's.</summary>
internal sealed class LoadPhases(LoadOptions options)
{
    private long _begunMeasured;

    public bool Warming { get; private set; }

    /// <summary>No further request is begun.</summary>
    public bool Ending { get; private set; }

    public long Started { get; private set; }

    public long MeasuringSince { get; private set; }

    public long MeasuringUntil { get; private set; } = long.MaxValue;

    public static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    public void Start(long now)
    {
        (Started, MeasuringSince) = (now, now);
        Warming = options.Warmup > TimeSpan.Zero;
        if (!Warming)
        {
            StartMeasuring(now);
        }
    }

    /// <summary>True when the warm-up ends with this call.</summary>
    public bool EndWarmupIfDue(long now)
    {
        if (!Warming || now - Started < Ticks(options.Warmup))
        {
            return false;
        }

        Warming = false;
        StartMeasuring(now);
        return true;
    }

    /// <summary>True when the run ends with this call.</summary>
    public bool EndIfDue(long now)
    {
        var due = !Warming && !Ending && (now >= MeasuringUntil || _begunMeasured >= options.Requests);
        Ending |= due;
        return due;
    }

    public void Began() => _begunMeasured += Warming ? 0 : 1;

    private void StartMeasuring(long now)
    {
        MeasuringSince = now;
        MeasuringUntil = options.Duration is { } duration ? now + Ticks(duration) : long.MaxValue;
    }
}
