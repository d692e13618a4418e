// What plugins do with each counter table, for operators: which windows are counted there, which quotas hold. A plugin that only declares
// a table, and counts by operations of its own, does not tell its windows.
using Policyd.Modules;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;

namespace Policyd.Engine.Model;

/// <summary>A Quota that holds on a table.</summary>
/// <param name="VirtualHost">The virtual host of its chain.</param>
/// <param name="Plugin">The plugin's name.</param>
/// <param name="Metric">What it compares.</param>
/// <param name="Threshold">Its own threshold; positive infinity when it has no limit.</param>
/// <param name="ThresholdFromSession">The session's key that may name another for a mail; null when there is none.</param>
/// <param name="Window">The kind of window that it compares.</param>
/// <param name="Mode">Whether it acts.</param>
/// <param name="OwnLimits">The keys whose last mail had a threshold of its own.</param>
public sealed record CounterQuota(
    string VirtualHost,
    string Plugin,
    CounterMetric Metric,
    double Threshold,
    string? ThresholdFromSession,
    CounterWindowKind Window,
    QuotaMode Mode,
    OwnLimits OwnLimits);

/// <summary>A counter table of the configuration.</summary>
/// <param name="Connection">The name of the SQL connection.</param>
/// <param name="Table">The table.</param>
/// <param name="Attributes">What it is named for: the attributes that its plugins' <c>fields</c> and <c>field</c> name.</param>
/// <param name="Windows">The kinds of windows that are counted or compared in it, each once.</param>
/// <param name="Quotas">The quotas on it, in the order of the chains.</param>
public sealed record CounterTableEntry(
    string Connection,
    string Table,
    IReadOnlyList<string> Attributes,
    IReadOnlyList<CounterWindowKind> Windows,
    IReadOnlyList<CounterQuota> Quotas);

/// <summary>The counter tables of a server, each with what its plugins do there.</summary>
public static class CounterCatalog
{
    /// <summary>The tables, in the order in which the configuration names them.</summary>
    /// <param name="model">The server.</param>
    public static IReadOnlyList<CounterTableEntry> Of(PolicyServerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var uses = model.VirtualHosts.SelectMany(host => host.Chain.All.SelectMany(plugin => Uses(host.Name, plugin))).ToList();
        return
        [
            .. model.CounterTables.Select(use => (use.Connection, use.Table)).Distinct().Select(table =>
            {
                var own = uses.Where(use => use.Connection == table.Connection && use.Table == table.Table).ToList();
                return new CounterTableEntry(
                    table.Connection,
                    table.Table,
                    [.. own.Select(use => use.Attribute).Distinct()],
                    [.. own.Select(use => use.Window).Concat(model.Resources.Tables.Find(table.Connection, table.Table).Windows).Distinct()],
                    [.. own.Select(use => use.Quota).OfType<CounterQuota>()]);
            }),
        ];
    }

    private static IEnumerable<Use> Uses(string host, Plugin plugin)
    {
        switch (plugin)
        {
            case AccountingPlugin accounting:
                var counted = CounterWindowKind.Of(accounting.TimePattern, accounting.Window);
                return accounting.Fields.Select(field => new Use(accounting.Db, accounting.TablePrefix + field, field, counted, null));
            case QuotaPlugin quota:
                var compared = CounterWindowKind.Of(quota.TimePattern, quota.Window);
                var holds = quota.Enabled.Default || quota.Enabled.SessionKey is not null
                    ? new CounterQuota(
                        host,
                        quota.Name,
                        quota.Metric.Default,
                        quota.Threshold.Default.Value,
                        quota.Threshold.SessionKey,
                        compared,
                        quota.Observe ? QuotaMode.Observe : QuotaMode.Enforce,
                        quota.OwnLimits)
                    : null;
                return [new Use(quota.Db, quota.TablePrefix + quota.Field.Default, quota.Field.Default, compared, holds)];
            default:
                return [];
        }
    }

    private sealed record Use(string Connection, string Table, string Attribute, CounterWindowKind Window, CounterQuota? Quota);
}
