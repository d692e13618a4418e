using System.Diagnostics.Metrics;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Metrics;

namespace Policyd.Modules;

/// <summary>What operators can watch of the accountings.</summary>
internal static class AccountingMetrics
{
    private static readonly Counter<long> s_unconfirmed = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.accounting.unconfirmed", "{mail}", "Counts that were not in the database when their mail was answered.");

    /// <summary>Mails that were checked again since their counter had moved.</summary>
    public static Counter<long> Stale { get; } = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.accounting.stale", "{mail}", "Mails that were checked again since their counter had moved.");

    /// <summary>A count that is not in the database when its mail is answered, and why.</summary>
    public static void Unconfirmed(string plugin, in CounterAnswer answer) => s_unconfirmed.Add(
        1,
        new KeyValuePair<string, object?>("plugin", plugin),
        new KeyValuePair<string, object?>("state", answer.State == CounterState.Deferred ? "deferred" : "unavailable"),
        answer.Reason.Tag());
}
