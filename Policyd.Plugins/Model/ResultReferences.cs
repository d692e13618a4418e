using Policyd.Configuration;
using Policyd.Plugins.Api;
using Policyd.Protocol;

namespace Policyd.Plugins.Model;

// Plugins that act on what another one has found name it; a name that nobody has would be a check that is silently off. It is looked for when all
// chains are there: a session is one for all virtual hosts, so the other plugin may stand in any of them.
internal sealed class ResultReferences
{
    private readonly List<Reference> _references = [];

    public void Add(Type module, string name, Plugin by, string option, SourcePosition place) => _references.Add(new Reference(module, name, by.Name, option, place));

    // A warning: mtpolicyd starts with such a configuration, and so must its successor.
    public void Check(IReadOnlyCollection<Plugin> plugins, DiagnosticBag diagnostics)
    {
        foreach (var (module, name, by, option, place) in _references)
        {
            var known = plugins.Where(module.IsInstanceOfType).Select(plugin => plugin.Name).ToList();
            if (!known.Contains(name))
            {
                var kind = Plugin.ModuleNameOf(module);
                var hint = EditDistance.Closest(name, known) is { } close ? $"; did you mean {close}?" : known.Count > 0 ? $"; there are {string.Join(", ", known)}" : "";
                diagnostics.Warning(place, $"plugin {by}: {option}: there is no {kind} of the name \"{name}\": this plugin never acts{hint}");
            }
        }
    }

    private sealed record Reference(Type Module, string Name, string By, string Option, SourcePosition Place);
}
