using Policyd.Configuration.Tree;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Model;

// Plugins that act on what another one has found name it; a name that nobody has would be a check that is silently off. It is looked for
// when all chains are there: a session is one for all virtual hosts, so the other plugin may stand in any of them.
internal sealed class ResultReferences
{
    private readonly List<Reference> _references = [];

    public void Add(Type module, string name, Plugin by, string option, SourcePosition place) =>
        _references.Add(new Reference(module, name, by, option, place));

    /// <summary>Whether somebody acts on what a plugin finds.</summary>
    public bool Names(Plugin plugin) => _references.Exists(one => one.Module.IsInstanceOfType(plugin) && one.Name == plugin.Name);

    // Warnings: mtpolicyd starts with such a configuration, and so must its successor.
    public void Check(IReadOnlyList<PlacedPlugin> plugins, DiagnosticBag diagnostics)
    {
        foreach (var reference in _references)
        {
            var (module, name, by, option, place) = reference;
            var kind = Plugin.ModuleNameOf(module);
            var subject = $"plugin {by.Name}: {option}:";
            var known = plugins.Where(one => module.IsInstanceOfType(one.Plugin)).ToList();
            var found = known.FindAll(one => one.Name == name);
            if (found.Count == 0)
            {
                var hint = EditDistance.Closest(name, known.Select(one => one.Name)) is { } close ? $"; did you mean {close}?"
                    : known.Count > 0 ? $"; available: {string.Join(", ", known.Select(one => one.Name))}" : "";
                diagnostics.Warning(place, $"{subject} there is no {kind} plugin \"{name}\", so this plugin never acts{hint}");
            }
            else if (found.TrueForAll(one => one.IsOff))
            {
                diagnostics.Warning(place, $"{subject} {kind} {name} is off, so this plugin never acts");
            }
            else if (StandsBefore(by, found, plugins))
            {
                diagnostics.Warning(
                    place,
                    $"{subject} {kind} {name} comes after this plugin, so its result is never available; move it before this plugin");
            }
        }
    }

    // In another virtual host it may have been asked earlier about the same mail.
    private static bool StandsBefore(Plugin by, List<PlacedPlugin> found, IReadOnlyList<PlacedPlugin> plugins)
    {
        var acting = plugins.First(one => ReferenceEquals(one.Plugin, by));
        return found.TrueForAll(one => one.VirtualHost == acting.VirtualHost && one.Order > acting.Order);
    }

    private sealed record Reference(Type Module, string Name, Plugin By, string Option, SourcePosition Place);
}
