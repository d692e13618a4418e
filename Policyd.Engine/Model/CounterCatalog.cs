// What plugins do with each counter table, for operators: which windows are counted there, which quotas hold. A plugin tells
// what it does as IUsesCounters; of one that only declares a table nothing more is known.
using Policyd.Plugins.Counters;

namespace Policyd.Engine.Model;

/// <summary>A Quota that holds on a table.</summary>
/// <param name="VirtualHost">The virtual host of its chain.</param>
/// <param name="Plugin">The plugin's name.</param>
/// <param name="Window">The kind of window that it compares.</param>
/// <param name="Limit">What it compares, and with what.</param>
public sealed record CounterQuota(string VirtualHost, string Plugin, CounterWindowKind Window, CounterLimit Limit);

/// <summary>A counter table of the configuration.</summary>
/// <param name="Connection">The name of the SQL connection.</param>
/// <param name="Table">The table.</param>
/// <param name="Attributes">What it is named for: the attributes that its plugins' <c>fields</c> and <c>field</c> name.</param>
/// <param name="Windows">The kinds of windows that are counted or compared in it, each once.</param>
/// <param name="Quotas">The quotas on it, in the order of the chains.</param>
/// <param name="KeysAreValues">Whether requests can only meet there by a common value of one of the attributes.</param>
public sealed record CounterTableEntry(
    string Connection,
    string Table,
    IReadOnlyList<string> Attributes,
    IReadOnlyList<CounterWindowKind> Windows,
    IReadOnlyList<CounterQuota> Quotas,
    bool KeysAreValues);

/// <summary>The counter tables of a server, each with what its plugins do there.</summary>
public static class CounterCatalog
{
    /// <summary>The tables, in the order in which the configuration names them.</summary>
    /// <param name="model">The server.</param>
    public static IReadOnlyList<CounterTableEntry> Of(PolicyServerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var uses = (
            from host in model.VirtualHosts
            from plugin in host.Chain.All
            where plugin is IUsesCounters
            from use in ((IUsesCounters)plugin).CounterUses
            select (Host: host.Name, plugin.Name, Use: use)).ToList();
        return
        [
            .. model.CounterTables.Select(use => (use.Connection, use.Table)).Distinct().Select(table =>
            {
                var own = uses.FindAll(one => one.Use.Connection == table.Connection && one.Use.Table == table.Table);
                return new CounterTableEntry(
                    table.Connection,
                    table.Table,
                    [.. own.Select(one => one.Use.Attribute).Distinct()],
                    [
                        .. own.Select(one => one.Use.Window)
                            .Concat(model.Resources.Tables.Find(table.Connection, table.Table).Windows)
                            .Distinct(),
                    ],
                    [.. own.Where(one => one.Use.Limit is not null)
                        .Select(one => new CounterQuota(one.Host, one.Name, one.Use.Window, one.Use.Limit!))],
                    own.Count > 0 && own.TrueForAll(static one => one.Use.KeysAreValues));
            }),
        ];
    }
}
