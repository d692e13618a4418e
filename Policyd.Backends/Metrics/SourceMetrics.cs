using System.Diagnostics;
using System.Diagnostics.Metrics;
using Policyd.Plugins.Metrics;

namespace Policyd.Backends.Metrics;

/// <summary>
/// What operators can watch of the configured connections: how long each question took, and how many had no answer. The commits of counters
/// are not among them.
/// </summary>
internal static class SourceMetrics
{
    private static readonly Histogram<double> s_duration = PolicydMeter.Times(
        "policyd.source.duration", "The time of a question to a connection that was answered.");

    private static readonly Counter<long> s_failures = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.source.failures", "{question}", "Questions without an answer, those among them that were not sent during a pause.");

    /// <summary>A question was answered.</summary>
    /// <param name="source">What was asked: sql, ldap, memcached or redis.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="since">The timestamp of its begin.</param>
    public static void Answered(string source, string connection, long since)
    {
        if (s_duration.Enabled)
        {
            s_duration.Record(Stopwatch.GetElapsedTime(since).TotalSeconds, new("source", source), new("connection", connection));
        }
    }

    /// <summary>A question had no answer.</summary>
    /// <param name="source">What was asked.</param>
    /// <param name="connection">The connection's name.</param>
    public static void Failed(string source, string connection) =>
        s_failures.Add(1, new("source", source), new("connection", connection));
}
