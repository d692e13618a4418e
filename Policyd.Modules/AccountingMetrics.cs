using System.Diagnostics.Metrics;
using Policyd.Plugins.Counters;

namespace Policyd.Modules;

/// <summary>What operators can watch of the accountings.</summary>
internal static class AccountingMetrics
{
    private static readonly Meter s_meter = new("Policyd.Accounting");

    private static readonly Counter<long> s_unconfirmed = s_meter.CreateCounter<long>("policyd.accounting.unconfirmed");

    /// <summary>Mails that were checked again since their counter had moved.</summary>
    public static Counter<long> Stale { get; } = s_meter.CreateCounter<long>("policyd.accounting.stale");

    /// <summary>A count that is not in the database when its mail is answered, and why.</summary>
    public static void Unconfirmed(string plugin, in CounterAnswer answer) => s_unconfirmed.Add(
        1,
        new KeyValuePair<string, object?>("plugin", plugin),
        new KeyValuePair<string, object?>("state", answer.State == CounterState.Deferred ? "deferred" : "unavailable"),
        answer.Reason.Tag());
}
