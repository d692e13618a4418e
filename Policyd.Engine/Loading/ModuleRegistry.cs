using System.Collections.Frozen;
using System.Reflection;
using Policyd.Modules;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Loading;

/// <summary>The modules by name. Immutable.</summary>
public sealed class ModuleRegistry
{
    private readonly FrozenDictionary<string, Type> _byName;
    private readonly FrozenDictionary<Assembly, string> _files;

    // Classes of plugins that are no modules, by the name that they would have: why, in words for their author.
    private readonly FrozenDictionary<string, string> _unfit;

    private ModuleRegistry(
        IEnumerable<KeyValuePair<string, Type>> modules,
        IEnumerable<KeyValuePair<Assembly, string>> files,
        ConnectionModules connections,
        IEnumerable<KeyValuePair<string, string>> unfit)
    {
        Connections = connections;
        _unfit = unfit.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        _byName = modules.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        _files = files.ToFrozenDictionary();
        Modules = [.. _byName.Values.Distinct().OrderBy(Plugin.ModuleNameOf, StringComparer.Ordinal)];
    }

    // The one place of the engine that names a module.
    private static readonly Assembly s_own = typeof(ActionPlugin).Assembly;

    /// <summary>The modules that come with the server.</summary>
    public static ModuleRegistry BuiltIn { get; } = new ModuleRegistry([], [], ConnectionModules.BuiltIn, []).With(PluginTypes(s_own));

    /// <summary>The classes, by their names.</summary>
    public IReadOnlyList<Type> Modules { get; }

    /// <summary>The modules of connections.</summary>
    public ConnectionModules Connections { get; }

    /// <summary>Whether a plugin's module comes with the server.</summary>
    /// <param name="plugin">The plugin.</param>
    public static bool IsOwn(Plugin plugin) => plugin?.GetType().Assembly == s_own;

    /// <summary>The plugin classes of an assembly: public, not abstract, with a constructor that needs nothing.</summary>
    /// <param name="assembly">The assembly.</param>
    public static IEnumerable<Type> PluginTypes(Assembly assembly) => assembly.GetExportedTypes()
        .Where(static type => type.IsSubclassOf(typeof(Plugin)) && WhyUnfit(type) is null);

    /// <summary>These and further modules.</summary>
    /// <param name="types">Classes of plugins and of connection modules.</param>
    /// <exception cref="InvalidOperationException">A name is taken.</exception>
    public ModuleRegistry With(IEnumerable<Type> types)
    {
        var taken = new List<string>();
        var kinds = types.ToLookup(static type => type.IsSubclassOf(typeof(Plugin)));
        var all = With(kinds[true], _files, Connections.With(kinds[false], static type => type.FullName!, taken), _unfit, taken);
        return taken.Count == 0 ? all : throw new InvalidOperationException(taken[0]);
    }

    /// <summary>These and the modules of plugin sets.</summary>
    /// <param name="sets">The sets.</param>
    /// <param name="taken">Names that are used twice, in words for the operator; added to.</param>
    internal ModuleRegistry With(IEnumerable<PluginSet> sets, ICollection<string> taken)
    {
        var plugins = sets.SelectMany(static set => set.Plugins).ToList();
        var files = plugins.Select(static plugin => KeyValuePair.Create(plugin.Assembly, plugin.File)).Concat(_files).ToDictionary();
        var connections = Connections.With(
            plugins.SelectMany(static plugin => ConnectionModules.TypesOf(plugin.Assembly)), type => Describe(type, files), taken);
        var unfit = new Dictionary<string, string>(_unfit, StringComparer.OrdinalIgnoreCase);
        foreach (var type in plugins.SelectMany(static plugin => plugin.Assembly.GetTypes()))
        {
            if (type.IsSubclassOf(typeof(Plugin)) && WhyUnfit(type) is { } reason)
            {
                unfit.TryAdd(Plugin.ModuleNameOf(type), $"{Describe(type, files)} {reason}");
            }
        }

        return With(plugins.SelectMany(static plugin => PluginTypes(plugin.Assembly)), files, connections, unfit, taken);
    }

    /// <summary>The class of a module; null when there is none.</summary>
    /// <param name="name">The name; letter case does not matter.</param>
    public Type? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Why there is no such module, in words for the operator.</summary>
    /// <param name="name">The name.</param>
    public string Explain(string name)
    {
        if (_unfit.TryGetValue(name, out var reason))
        {
            return $"the module \"{name}\" cannot be used: {reason}";
        }

        var close = EditDistance.Closest(name, _byName.Keys);
        var hint = close is null ? $"known modules: {string.Join(", ", Modules.Select(Plugin.ModuleNameOf))}" : $"did you mean {close}?";
        return $"unknown module \"{name}\"; {hint}";
    }

    private ModuleRegistry With(
        IEnumerable<Type> types,
        IReadOnlyDictionary<Assembly, string> files,
        ConnectionModules connections,
        IEnumerable<KeyValuePair<string, string>> unfit,
        ICollection<string> taken)
    {
        var all = _byName.ToDictionary(StringComparer.OrdinalIgnoreCase);
        foreach (var type in types)
        {
            foreach (var name in NamesOf(type))
            {
                if (!all.TryAdd(name, type))
                {
                    taken.Add($"the module name {name} of {Describe(type, files)} is already used by {Describe(all[name], files)}");
                }
            }
        }

        return new ModuleRegistry(all, files, connections, unfit);
    }

    /// <summary>Why the server makes no object of a class; null when it does. Who leaves out "public" has made an internal one.</summary>
    internal static string? WhyUnfit(Type type) =>
        !type.IsVisible ? "is not public"
        : type.IsAbstract ? "is abstract"
        : type.IsGenericType ? "is generic"
        : type.GetConstructor(Type.EmptyTypes) is null ? "has no public constructor without parameters"
        : null;

    private static string Describe(Type type, IReadOnlyDictionary<Assembly, string> files) =>
        files.TryGetValue(type.Assembly, out var file) ? $"{type.FullName} in {file}" : $"{type.FullName}";

    private static IEnumerable<string> NamesOf(Type type) =>
        [Plugin.ModuleNameOf(type), .. type.GetCustomAttribute<ModuleAttribute>()?.Aliases ?? []];
}
