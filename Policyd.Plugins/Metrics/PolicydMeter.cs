using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Policyd.Plugins.Metrics;

/// <summary>
/// The names under which the server's metrics and traces are collected. The metrics of a plugin of yours are collected too when its meter
/// is called <c>Policyd.</c> and a name.
/// </summary>
public static class PolicydMeter
{
    /// <summary>The name of the server's meter, and of its source of traces.</summary>
    public const string Name = "Policyd";

    /// <summary>
    /// The server's own meter, which its modules use as well. Instruments live as long as the process: what they tell of may come and go,
    /// as at a reload. Those of a third party belong to a meter of its own, so that its names are its own.
    /// </summary>
    public static Meter Shared { get; } = new(Name);

    /// <summary>The one source of spans.</summary>
    internal static ActivitySource Spans { get; } = new(Name);

    /// <summary>A histogram of times, from those of a chain without sources to the longest time-outs of requests.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What is timed.</param>
    internal static Histogram<double> Times(string name, string description) => Shared.CreateHistogram(
        name,
        "s",
        description,
        advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
        });
}
