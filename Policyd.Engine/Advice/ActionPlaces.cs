using System.Reflection;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Decisions;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Advice;

// Texts of actions with a place that nobody fills: Postfix, and the sender of the mail, would read it as it is written. A warning, since
// the text may mean just that. Of a third party's options only those count that declare their places.
internal static class ActionPlaces
{
    private static readonly string s_id = DecisionId.Place.Trim('%');

    public static void Check(IEnumerable<PlacedPlugin> plugins, DiagnosticBag diagnostics)
    {
        foreach (var placed in plugins)
        {
            foreach (var property in placed.Plugin.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                if (property.GetCustomAttribute<PlacesAttribute>() is { } places && TextOf(property.GetValue(placed.Plugin)) is { } text)
                {
                    var option = property.GetCustomAttribute<OptionNameAttribute>()?.Name ?? OptionNames.Snake(property.Name);
                    Check(text, places.Names, message => placed.Warn(diagnostics, option, $"{option}: {message}"));
                }
            }

            if (placed.Plugin.OnError.Action is { } onError)
            {
                Check(onError, [], message => placed.Warn(diagnostics, "on_error", $"on_error: {message}"));
            }
        }
    }

    /// <summary>The same for an action of the server itself.</summary>
    public static void Check(string option, string? action, ConfigObject root, DiagnosticBag diagnostics)
    {
        if (action is not null)
        {
            Check(action, [], message => diagnostics.Warning(root.PositionOf(option), $"{option}: {message}"));
        }
    }

    private static void Check(string text, IReadOnlyList<string> names, Action<string> warn)
    {
        var filled = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in PlacesOf(text, names))
        {
            if (name == s_id)
            {
                continue;
            }

            if (!names.Contains(name))
            {
                warn($"%{name}% is no place that is filled here, so it is sent as it is written{Hint(name, names)}");
            }
            else if (!filled.Add(name))
            {
                warn($"only the first %{name}% is filled, so the next one is sent as it is written");
            }
        }
    }

    // As the template reads them, which takes the sign behind what is no place for the beginning of the next.
    private static IEnumerable<string> PlacesOf(string text, IReadOnlyList<string> names)
    {
        for (var at = text.IndexOf('%', StringComparison.Ordinal); at >= 0;)
        {
            var end = text.IndexOf('%', at + 1);
            if (end < 0)
            {
                yield break;
            }

            var name = text[(at + 1)..end];
            var looksLikeOne = name.Length > 0 && char.IsAsciiLetter(name[0]) && name.All(static c => char.IsAsciiLetter(c) || c == '_');
            if (looksLikeOne)
            {
                yield return name;
            }

            at = looksLikeOne && (name == s_id || names.Contains(name)) ? text.IndexOf('%', end + 1) : end;
        }
    }

    private static string Hint(string name, IReadOnlyList<string> names)
    {
        string[] all = [.. names, s_id];
        var upper = name.ToUpperInvariant();
        var meant = all.Contains(upper) ? upper : OptionNames.Closest(upper, all);
        return meant is not null
            ? $"; did you mean %{meant}%?"
            : $"; those that are filled: {string.Join(", ", all.Select(static one => $"%{one}%"))}";
    }

    private static string? TextOf(object? value) => value switch
    {
        string text => text,
        ActionTemplate action => action.Text,
        UserOption<ActionTemplate> option => option.Default?.Text,
        _ => null,
    };
}
