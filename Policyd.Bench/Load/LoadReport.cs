using System.Globalization;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>Latencies in microseconds, from the first byte sent to the last byte of the answer.</summary>
public sealed record LatencySummary(double Min, double Mean, double P50, double P90, double P99, double P999, double Max)
{
    public static LatencySummary Of(LatencyHistogram nanoseconds)
    {
        ArgumentNullException.ThrowIfNull(nanoseconds);
        double Percentile(double percent) => nanoseconds.Percentile(percent) / 1000.0;
        return new LatencySummary(
            nanoseconds.Min / 1000.0, nanoseconds.Mean / 1000.0, Percentile(50), Percentile(90), Percentile(99), Percentile(99.9), nanoseconds.Max / 1000.0);
    }
}

/// <summary>What went wrong in a run, each counted once a request or connection.</summary>
public sealed record LoadErrors
{
    /// <summary>Connections that the server closed, with or without a request in flight.</summary>
    public long Closed { get; init; }

    public long TimedOut { get; init; }

    /// <summary>Answers that are not one "action=" line and an empty line.</summary>
    public long Malformed { get; init; }

    /// <summary>Well-formed answers that do not begin as expected.</summary>
    public long Unexpected { get; init; }

    /// <summary>Attempts to connect again that failed.</summary>
    public long Refused { get; init; }

    public long Total => Closed + TimedOut + Malformed + Unexpected + Refused;
}

/// <summary>The outcome of one run.</summary>
/// <param name="Requests">Answers of the measured time, the unexpected ones included.</param>
/// <param name="Seconds">Length of the measured time.</param>
/// <param name="FirstWrongAnswer">The first malformed or unexpected answer, with its control characters escaped.</param>
/// <param name="Memory">The server's resident bytes, when its process was named.</param>
public sealed record LoadReport(
    long Requests, double Seconds, LatencySummary Microseconds, LoadErrors Errors, string? FirstWrongAnswer, MemorySummary? Memory)
{
    public double RequestsPerSecond => Seconds > 0 ? Requests / Seconds : 0;

    /// <summary>The report for people.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        var latency = Microseconds;
        Line($"requests  {Requests} in {Seconds:0.00} s: {RequestsPerSecond:0} a second");
        Line($"latency   p50 {latency.P50:0} µs  p90 {latency.P90:0} µs  p99 {latency.P99:0} µs  p99.9 {latency.P999:0} µs  max {latency.Max:0} µs");
        Line($"errors    {Errors.Total}: closed {Errors.Closed}, timed out {Errors.TimedOut}, malformed {Errors.Malformed}, unexpected {Errors.Unexpected}, refused {Errors.Refused}");
        if (FirstWrongAnswer is not null)
        {
            Line($"          first wrong answer: {FirstWrongAnswer}");
        }

        if (Memory is not null)
        {
            Line($"memory    {Memory.ToString()}");
        }

        return text.ToString();
    }
}
