using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Chain;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Building;

// Makes the plugins of a section's "plugins", and those nested in them.
internal sealed class ChainBuilder(string virtualHost, BuildContext build, PluginResources resources, ActionChecker actions)
{
    private static readonly string[] s_own = ["module", "name"];
    private static readonly string[] s_ownWithChain = ["module", "name", "plugins"];
    private readonly Dictionary<string, ConfigObject> _names = new(StringComparer.Ordinal);
    private PlacedPlugin? _parent;

    /// <summary>The chain of a section; null when it has none.</summary>
    public PluginChain? Build(ConfigObject section, bool keepsActions)
    {
        if (section["plugins"] is not { } node)
        {
            return null;
        }

        if (node is not ConfigArray array)
        {
            build.Diagnostics.Error(node.Position, $"plugins: expected an array of plugins, found {node.Describe()}");
            return null;
        }

        var plugins = new List<Plugin>();
        foreach (var item in array.Items)
        {
            if (item is not ConfigObject one)
            {
                build.Diagnostics.Error(item.Position, $"a plugin must be an object {{ name, module, … }}, not {item.Describe()}");
            }
            else if (Create(one, keepsActions) is { } plugin)
            {
                plugins.Add(plugin);
            }
        }

        return new PluginChain(plugins, !keepsActions);
    }

    private Plugin? Create(ConfigObject section, bool keepsActions)
    {
        var module = (section["module"] as ConfigScalar)?.Text;
        var name = (section["name"] as ConfigScalar)?.Text ?? module ?? "";
        if (module is null)
        {
            build.Diagnostics.Error(section.Position, $"plugin {name} needs the option \"module\"");
            return null;
        }

        if (build.Modules.Find(module) is not { } type)
        {
            build.Diagnostics.Error(section.PositionOf("module"), $"plugin {name}: {build.Modules.Explain(module)}");
            return null;
        }

        WarnOfName(name, type, section);
        try
        {
            return Make(type, name, module, section, keepsActions);
        }
        catch (Exception e)
        {
            // An author's own code runs here in many places, also in getters and static members: none of them may end the start without a
            // place.
            build.Diagnostics.Error(
                section.PositionOf("module"), $"plugin {name}: {type.FullName} cannot be created: {ConfigurationFault.Of(e)}");
            return null;
        }
    }

    // Two Greylists share on purpose: mtpolicyd's default chain looks for the ticket with one and makes it with another. Modules that keep
    // nothing of a mail under their names may go without names of their own.
    private void WarnOfName(string name, Type type, ConfigObject section)
    {
        if (_names.TryAdd(name, section)
            || (type.IsDefined(typeof(SharesByNameAttribute), inherit: false)
                && build.Modules.Find((_names[name]["module"] as ConfigScalar)?.Text ?? "") == type)
            || (!section.Has("name") && type.IsDefined(typeof(KeepsNothingAttribute), inherit: false)))
        {
            return;
        }

        var place = section.PositionOf("name");
        build.Diagnostics.Warning(
            place,
            $"virtual host \"{virtualHost}\" has two plugins with the name \"{name}\" (the other at "
                + $"{_names[name].Position.RelativeTo(place)}); they would share results and cached values of "
                + $"a mail; give each its own name");
    }

    private Plugin? Make(Type type, string name, string module, ConfigObject section, bool keepsActions)
    {
        Plugin plugin;
        try
        {
            plugin = (Plugin)Activator.CreateInstance(type)!;
        }
        catch (Exception e)
        {
            build.Diagnostics.Error(
                section.PositionOf("module"), $"plugin {name}: the constructor of {type.FullName} failed: {ConfigurationFault.Of(e)}");
            return null;
        }

        plugin.Name = name;
        if (resources.Guards(type))
        {
            plugin.Guard = new PluginGuard(plugin, virtualHost, resources.Loggers.CreateLogger("Policyd"));
        }

        var placed = new PlacedPlugin(plugin, section, virtualHost, _parent, resources.Placed.Count);
        resources.Placed.Add(placed);
        var nests = plugin as INestedChain;
        var fits = OptionBinder.Bind(plugin, section, build.Diagnostics, new BindingOptions
        {
            Subject = $"plugin {name} ({module})",
            ConsumedElsewhere = nests is null ? s_own : s_ownWithChain,
        });
        if (nests is not null)
        {
            _parent = placed;
            nests.Plugins = Build(section, keepsActions || nests.KeepsActions);
            _parent = placed.Parent;
        }

        if (plugin.Observe && !plugin.IsRehearsable)
        {
            build.Diagnostics.Warning(
                section.PositionOf("observe"),
                $"plugin {name}: the module {module} does not declare its side effects, so with observe = on it is not run at all");
        }

        CheckActions(plugin, section, keepsActions);
        Initialize(placed, fits);
        return plugin;
    }

    // With options that do not fit a plugin may well fail, and what it says of them is of no use. Which connection it asks for is:
    // a name that nobody has belongs beside its other errors, not into the next attempt.
    private void Initialize(PlacedPlugin placed, bool fits)
    {
        var (plugin, section) = (placed.Plugin, placed.Section);
        var setup = new PluginSetup(plugin, section, virtualHost, resources) { TellsConnectionsOnly = !fits };
        placed.Needs = setup.Needs;
        try
        {
            plugin.Initialize(setup);
        }
        catch (Exception e)
        {
            if (fits)
            {
                build.Diagnostics.Error(section.Position, $"plugin {plugin.Name} cannot start: {ConfigurationFault.Of(e)}");
            }
        }
    }

    // Whoever declares an option as an action, third parties too, has it checked here, at its own place.
    private void CheckActions(Plugin plugin, ConfigObject section, bool keepsActions)
    {
        if (plugin.OnError.Action is { } onError && !keepsActions)
        {
            actions.Check($"plugin {plugin.Name}: on_error", onError, section.PositionOf("on_error"));
        }

        if (keepsActions)
        {
            return;
        }

        foreach (var option in OptionSchema.Of(plugin.GetType()).Options.Where(option => option.Type == typeof(ActionTemplate)))
        {
            if (section.Has(option.Name) && OptionSchema.Of(plugin.GetType()).ValueOf(plugin, option.Name) is { } text)
            {
                actions.Check($"plugin {plugin.Name}: {option.Name}", new ActionTemplate(text).Sample, section.PositionOf(option.Name));
            }
        }
    }
}
