using System.Reflection;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Advice;

// A ScoreAction or AddScoreHeader that looks at a score before anybody adds to it. A mail's score is one for all virtual hosts: where
// another one scores and this one does not, it may be meant.
internal static class ScoreAdvice
{
    private const string Usual = "score";
    private const string Any = "*";

    public static void Check(IReadOnlyList<PlacedPlugin> plugins, DiagnosticBag diagnostics)
    {
        var scoring = plugins.Select(one => (Placed: one, Fields: FieldsOf(one))).Where(one => one.Fields.Length > 0).ToList();
        foreach (var placed in plugins)
        {
            if (((placed.Plugin as ScoreActionPlugin)?.ScoreField ?? (placed.Plugin as AddScoreHeaderPlugin)?.ScoreField) is not { } field)
            {
                continue;
            }

            var scorers = scoring.Where(one => one.Fields.Contains(field) || one.Fields.Contains(Any)).Select(one => one.Placed).ToList();
            if (scorers.Exists(one => one.VirtualHost == placed.VirtualHost && one.Order < placed.Order))
            {
                continue;
            }

            if (scorers.Find(one => one.VirtualHost == placed.VirtualHost && !one.IsWithin(placed)) is { } later)
            {
                placed.Warn(
                    diagnostics,
                    "name",
                    $"it comes before every plugin that scores into {field}: it sees only what the mail's requests before have scored; "
                        + $"move it after {later.Name}");
            }
            else if (scorers.TrueForAll(one => one.IsWithin(placed)))
            {
                placed.Warn(diagnostics, "name", $"no plugin before it scores into {field}, so the score is always 0 here");
            }
        }
    }

    private static string[] FieldsOf(PlacedPlugin placed)
    {
        var plugin = placed.Plugin;
        return placed.IsForeign ? [Any] : plugin switch
        {
            _ when placed.IsOff => [],
            ScoreActionPlugin or AddScoreHeaderPlugin => [],
            SetFieldPlugin set => [set.Key],
            LdapUserConfigPlugin user => user.ConfigFields.Split(',', StringSplitOptions.TrimEntries),
            _ => plugin.GetType()
                .GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Any(property => IsScore(property, plugin)) ? [FieldOf(plugin)] : [],
        };
    }

    private static string FieldOf(Plugin plugin) =>
        plugin.GetType().GetProperty(nameof(ScoreActionPlugin.ScoreField))?.GetValue(plugin) as string ?? Usual;

    private static bool IsScore(PropertyInfo property, Plugin plugin) =>
        (property.Name.EndsWith("Score", StringComparison.Ordinal) || property.Name == nameof(SaAwlActionPlugin.ScoreFactor))
            && property.GetValue(plugin) switch
            {
                double value => value != 0,
                UserOption<double?> option => option.SessionKey is not null || option.Default is not null and not 0,
                _ => false,
            };
}
