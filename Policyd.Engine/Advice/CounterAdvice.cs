using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Counters;

namespace Policyd.Engine.Advice;

// A Quota that reads what nobody counts: another table, another window, another key. Or one that is asked too late.
internal static class CounterAdvice
{
    // Moments that differ in all that a pattern may name: two patterns that agree on them make the same windows.
    private static readonly DateTimeOffset[] s_moments =
    [
        new(2024, 2, 29, 23, 59, 58, TimeSpan.Zero), new(2025, 12, 31, 0, 1, 2, TimeSpan.Zero), new(2027, 1, 1, 13, 30, 0, TimeSpan.Zero),
        new(2026, 7, 5, 9, 8, 7, TimeSpan.Zero),
    ];

    public static void Check(IReadOnlyList<PlacedPlugin> plugins, CounterTableSet tables, DiagnosticBag diagnostics)
    {
        foreach (var quota in plugins.Where(one => one is { Plugin: QuotaPlugin, IsOff: false }))
        {
            Check(quota, (QuotaPlugin)quota.Plugin, plugins, tables, diagnostics);
        }
    }

    private static void Check(
        PlacedPlugin placed, QuotaPlugin quota, IReadOnlyList<PlacedPlugin> plugins, CounterTableSet tables, DiagnosticBag diagnostics)
    {
        var table = quota.TablePrefix + quota.Field.Default;
        var all = plugins.Where(one => one.Plugin is AccountingPlugin accounting
            && accounting.Db == quota.Db
            && accounting.Fields.Any(field => accounting.TablePrefix + field == table)).ToList();
        if (all.Count == 0 && tables.Uses.Any(use => use.Writes && use.Connection == quota.Db && use.Table == table))
        {
            return; // a plugin of a third party, whose windows are not known
        }

        var counting = all.FindAll(one => !one.IsOff);
        if (counting.Count == 0)
        {
            var why = all.Count > 0 ? $"; Accounting {all[0].Name} would, but is off" : Counted(plugins);
            placed.Warn(
                diagnostics,
                "field",
                $"field: no Accounting counts in the table {table} of connection {quota.Db}, so this Quota acts only if "
                    + $"another server counts there{why}");
            return;
        }

        var window = KindOf(quota.TimePattern, quota.Window);
        var same = counting.FindAll(
            one => IsSame(window, KindOf(((AccountingPlugin)one.Plugin).TimePattern, ((AccountingPlugin)one.Plugin).Window)));
        if (same.Count == 0)
        {
            var first = (AccountingPlugin)counting[0].Plugin;
            placed.Warn(
                diagnostics,
                quota.Window is null ? "time_pattern" : "window",
                $"no Accounting counts {table} by {window.Name}, so this Quota never acts; Accounting {first.Name} counts by "
                    + $"{KindOf(first.TimePattern, first.Window).Name}; give both the same time_pattern or window");
            return;
        }

        if (!same.Exists(one => KeyOf(quota.Key, quota.Field.Default) == KeyOf(((AccountingPlugin)one.Plugin).Key, quota.Field.Default)))
        {
            placed.Warn(
                diagnostics,
                "key",
                $"Accounting {same[0].Name} counts {table} by another key, so this Quota never acts; give both the same key");
        }
        else if (same.Find(one => IsBefore(one, placed)) is { } before)
        {
            placed.Warn(
                diagnostics,
                "name",
                $"it comes after Accounting {before.Name}, which has already counted the mail, so even a mail that this Quota refuses is "
                    + $"counted; move it before that Accounting");
        }
    }

    private static string Counted(IReadOnlyList<PlacedPlugin> plugins)
    {
        var counted = plugins.Select(one => one.Plugin)
            .OfType<AccountingPlugin>()
            .SelectMany(one => one.Fields.Select(field => $"{one.TablePrefix}{field} ({one.Db})"))
            .Distinct()
            .Take(8)
            .ToList();
        return counted.Count == 0 ? "" : $"; counted tables: {string.Join(", ", counted)}";
    }

    private static CounterWindowKind KindOf(string pattern, TimeSpan? window) => CounterWindowKind.Of(pattern, window);

    private static bool IsSame(CounterWindowKind one, CounterWindowKind other) =>
        one.Length == other.Length
            && (one.Length is not null || Array.TrueForAll(s_moments, moment => one.At(moment).Name == other.At(moment).Name));

    private static string KeyOf(KeyTemplate? key, string field) => key?.ToString() ?? $"%{{{field}}}";

    // Certain where it is an element of the Quota's chain, or of one that holds this: it has run whenever the Quota runs.
    private static bool IsBefore(PlacedPlugin accounting, PlacedPlugin quota)
    {
        for (var one = quota; one is not null; one = one.Parent)
        {
            if (accounting.IsBeside(one) && accounting.Order < one.Order)
            {
                return true;
            }
        }

        return false;
    }
}
