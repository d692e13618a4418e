using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Advice;

// Plugins and chains that never run, and plugins that run without any effect.
internal static class IdlePlugins
{
    public static void Check(
        IReadOnlyList<PlacedPlugin> plugins, ResultReferences results, TimeSpan requestTimeout, DiagnosticBag diagnostics)
    {
        foreach (var placed in plugins)
        {
            if (Ends(placed.Plugin) && Next(placed, plugins) is { } next)
            {
                next.Warn(
                    diagnostics,
                    "name",
                    $"it never runs, and neither do the plugins after it: {placed.Name} before it "
                        + $"({Plugin.ModuleNameOf(placed.Plugin.GetType())}) always ends the chain");
            }

            if (placed.Plugin.Timeout > requestTimeout)
            {
                placed.Warn(
                    diagnostics,
                    "timeout",
                    $"timeout: it has no effect because request_timeout is shorter: {DurationText.Format(requestTimeout)}");
            }

            if (placed.IsOff)
            {
                continue;
            }

            if (WhyChainIsIdle(placed) is { } why)
            {
                placed.Warn(diagnostics, "plugins", $"plugins: the nested chain never runs: {why}");
            }
            else if (HasNoEffect(placed.Plugin, results))
            {
                placed.Warn(diagnostics, "name", "it has no effect: set an action, a score or a nested chain for a match");
            }
        }
    }

    private static PlacedPlugin? Next(PlacedPlugin placed, IReadOnlyList<PlacedPlugin> plugins) => plugins.Skip(placed.Order + 1)
        .TakeWhile(one => one.VirtualHost == placed.VirtualHost && (placed.Parent is null || one.IsWithin(placed.Parent)))
        .FirstOrDefault(placed.IsBeside);

    // With PREPEND too: mtpolicyd's done flag ends the chain, and so does ours.
    private static bool Ends(Plugin plugin) => plugin is { Observe: false } and (ActionPlugin or AddScoreHeaderPlugin);

    private static string? WhyChainIsIdle(PlacedPlugin placed)
    {
        const string Action = "the plugin returns its own action instead; remove either the action or the chain";
        return placed.Plugin switch
        {
            INestedChain { Plugins: null } => null,
            QuotaPlugin when placed.Section.Has("action") || placed.Section.Has("uc_action") => Action,
            ScoreActionPlugin { Action: not null } => Action,
            ConditionPlugin { Action.Default: not null } or RegexListPlugin { Action.Default: not null }
                or StressPlugin { Action.Default: not null } => Action,
            HoneypotPlugin { Mode: HoneypotMode.Reject } =>
                "with mode = reject the plugin rejects instead; only mode = passive runs the chain",
            _ => null,
        };
    }

    private static bool HasNoEffect(Plugin plugin, ResultReferences results) => plugin switch
    {
        ConditionPlugin one => one.Plugins is null && IsNone(one.Action) && IsNone(one.Score),
        RegexListPlugin one => one.Plugins is null && IsNone(one.Action) && IsNone(one.Score),
        StressPlugin one => one.Plugins is null && IsNone(one.Action),
        ScoreActionPlugin one => one.Plugins is null && one.Action is null,
        LookupPlugin one => one is { Score: null, MatchAction: null, NotMatchAction: null },
        HoneypotPlugin one => one is { Mode: HoneypotMode.Passive, Score: null, Plugins: null },
        GeoIpActionPlugin one => one is { Mode: { Default: MatchMode.Passive, SessionKey: null }, Score: null },
        SaAwlActionPlugin one => one is { Mode: { Default: MatchMode.Passive, SessionKey: null }, Score: null, ScoreFactor: null },
        ListPlugin one => one is { Mode: { Default: ListMode.Passive, SessionKey: null }, Score: null } && !results.Names(one),
        _ => false,
    };

    private static bool IsNone<T>(UserOption<T> option) => option.Default is null && option.SessionKey is null;
}
