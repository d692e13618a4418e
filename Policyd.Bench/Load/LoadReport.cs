using System.Globalization;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>
/// Latencies in microseconds to the last byte of the answer: from the first byte sent, and at a fixed rate from the time
/// at which the request was due.
/// </summary>
public sealed record LatencySummary(double Min, double Mean, double P50, double P90, double P99, double P999, double Max)
{
    public static LatencySummary Of(LatencyHistogram nanoseconds)
    {
        ArgumentNullException.ThrowIfNull(nanoseconds);
        double Percentile(double percent) => nanoseconds.Percentile(percent) / 1000.0;
        return new LatencySummary(
            nanoseconds.Min / 1000.0,
            nanoseconds.Mean / 1000.0,
            Percentile(50),
            Percentile(90),
            Percentile(99),
            Percentile(99.9),
            nanoseconds.Max / 1000.0);
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

    /// <summary>Requests of a fixed rate that were due, but found no free connection until the run's end.</summary>
    public long Unsent { get; init; }

    public long Total => Closed + TimedOut + Malformed + Unexpected + Refused + Unsent;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Total}: closed {Closed}, timed out {TimedOut}, malformed {Malformed}, unexpected {Unexpected}, "
            + $"refused {Refused}, unsent {Unsent}");
}

/// <summary>All that a run has asked for, from its first request to its last, for whoever counts what the server did.</summary>
/// <param name="Requests">Requests that were begun.</param>
/// <param name="Mails">Mails that they belong to.</param>
/// <param name="Accepted">Requests that got an answer as expected.</param>
public sealed record AskedMails(long Requests, long Mails, long Accepted)
{
    /// <summary>Mails all of whose requests were answered, at the least.</summary>
    public long SurelyAnswered => Math.Max(0, Mails - (Requests - Accepted));
}

/// <summary>The outcome of one run.</summary>
/// <param name="Requests">Answers of the measured time, the unexpected ones included.</param>
/// <param name="Seconds">Length of the measured time.</param>
/// <param name="FirstWrongAnswer">The first malformed or unexpected answer, with its control characters escaped.</param>
/// <param name="Memory">The server's resident bytes, when its process was named.</param>
/// <param name="ProcessorSeconds">Processor time that the server used in the measured time, when its process was named.</param>
/// <param name="Asked">What was asked in the whole run.</param>
public sealed record LoadReport(
    long Requests,
    double Seconds,
    LatencySummary Microseconds,
    LoadErrors Errors,
    string? FirstWrongAnswer,
    MemorySummary? Memory,
    double? ProcessorSeconds,
    AskedMails Asked)
{
    public double RequestsPerSecond => Seconds > 0 ? Requests / Seconds : 0;

    /// <summary>The server's processor time for one answer, in microseconds.</summary>
    public double? ProcessorMicroseconds => Requests > 0 ? ProcessorSeconds * 1e6 / Requests : null;

    /// <summary>The report for people.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(string line) => text.AppendLine(line);
        var latency = Microseconds;
        Line($"requests  {Requests} in {Seconds:0.00} s: {RequestsPerSecond:0} a second");
        Line($"latency   p50 {latency.P50:0} µs  p90 {latency.P90:0} µs  p99 {latency.P99:0} µs  p99.9 "
            + $"{latency.P999:0} µs  max {latency.Max:0} µs");
        Line($"errors    {Errors.ToString()}");
        if (FirstWrongAnswer is not null)
        {
            Line($"          first wrong answer: {FirstWrongAnswer}");
        }

        if (ProcessorMicroseconds is { } processor)
        {
            Line($"processor {processor:0.0} µs a request");
        }

        if (Memory is not null)
        {
            Line($"memory    {Memory.ToString()}");
        }

        return text.ToString();
    }
}
