using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Policyd.Plugins.Metrics;

/// <summary>
/// What operators can watch of the configured connections, and of the servers that plugins ask themselves: how long each question took, and
/// how many had no answer. The commits of counters are not among them.
/// </summary>
internal static class SourceMetrics
{
    private static readonly Histogram<double> s_duration = PolicydMeter.Times(
        "policyd.source.duration", "The time of a question to a connection that was answered.");

    private static readonly Counter<long> s_failures = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.source.failures", "{question}", "Questions without an answer, those among them that were not sent during a pause.");

    private static readonly Counter<long> s_suppressed = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.source.suppressed", "{question}", "Questions that were not sent, because the source was known to be away.");

    /// <summary>A question was answered.</summary>
    /// <param name="source">What was asked: sql, ldap, memcached, redis, http, or what a plugin calls it.</param>
    /// <param name="connection">The connection's name; of what plugins ask themselves the plugin's, or what it calls the server.</param>
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

    /// <summary>A question was not sent: the source is known to be away. It is one without an answer, too, which its asker tells.</summary>
    /// <param name="source">What was asked.</param>
    /// <param name="connection">The connection's name.</param>
    public static void Suppressed(string source, string connection) =>
        s_suppressed.Add(1, new("source", source), new("connection", connection));
}
