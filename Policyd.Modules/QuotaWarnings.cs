using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Metrics;

namespace Policyd.Modules;

/// <summary>Warns once a window and key when a counter comes near its threshold.</summary>
internal sealed class QuotaWarnings(double fraction)
{
    // Enough for any number of users that a person would read warnings about; beyond it some are warned about twice.
    private const int MostRemembered = 100_000;

    private readonly ConcurrentDictionary<(CounterKey Key, string Window), bool> _warned = [];

    public void Consider(PluginContext context, Plugin plugin, CounterKey key, CounterWindow window, long total, double threshold)
    {
        if (context.IsExplanation
            || total < fraction * threshold
            || !_warned.TryAdd((key, PeriodOf(window, context.RequestTime)), true))
        {
            return;
        }

        if (_warned.Count > MostRemembered)
        {
            _warned.Clear();
        }

        QuotaMetrics.Warned.Add(1, new KeyValuePair<string, object?>("plugin", plugin.Name));
        context.Log(
            PolicyLogLevel.Warning,
            plugin,
            string.Create(CultureInfo.InvariantCulture, $"{key.Key}: {total} of {threshold} in {window.Name}"));
    }

    /// <summary>
    /// A rolling window has no beginning: it counts as another when its length has gone by, or a user would be warned about once for ever.
    /// </summary>
    private static string PeriodOf(CounterWindow window, DateTimeOffset now) => window.Rolling is { } span
        ? string.Create(CultureInfo.InvariantCulture, $"{window.Name}:{now.ToUnixTimeSeconds() / (long)span.TotalSeconds}")
        : window.Name;
}

/// <summary>What operators can watch of the quotas.</summary>
internal static class QuotaMetrics
{
    public static Counter<long> Exceeded { get; } = Count("exceeded", "Mails beyond a threshold, by rule and mode.");

    public static Counter<long> Unavailable { get; } = Count("unavailable", "Mails that could not be checked, by rule and reason.");

    public static Counter<long> Warned { get; } = Count("warned", "Warnings that a counter is near its threshold, by rule.");

    private static Counter<long> Count(string name, string description) =>
        PolicydMeter.Shared.CreateCounter<long>($"policyd.quota.{name}", "{mail}", description);
}
