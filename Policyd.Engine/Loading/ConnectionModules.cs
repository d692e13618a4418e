using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.CompilerServices;
using Policyd.Backends.Sql;
using Policyd.Configuration.Options;
using Policyd.Plugins.Connections;

namespace Policyd.Engine.Loading;

/// <summary>The modules that a section of connections may name, each with the class of its options. Immutable.</summary>
public sealed class ConnectionModules
{
    private readonly FrozenDictionary<string, Type> _byName;

    private ConnectionModules(IEnumerable<KeyValuePair<string, Type>> modules)
    {
        _byName = modules.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        Names = [.. _byName.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>Those that come with the server.</summary>
    /// <remarks>The attributes of other classes are not looked at: that would load the libraries that they are from.</remarks>
    public static ConnectionModules BuiltIn { get; } = new ConnectionModules([]).With(
        typeof(SqlConnectionOptions).Assembly.GetExportedTypes().Where(IsModule).Where(IsNamed), static type => type.FullName!, []);

    /// <summary>Their names.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The classes of an assembly that say that they are such modules.</summary>
    /// <param name="assembly">The assembly.</param>
    public static IEnumerable<Type> TypesOf(Assembly assembly) => assembly.GetTypes().Where(IsNamed);

    /// <summary>The names of the modules whose connections offer at least one of these.</summary>
    /// <param name="kinds">Interfaces that the server knows.</param>
    public IReadOnlyList<string> Offering(params Type[] kinds) =>
        [.. Names.Where(name => _byName[name].GetCustomAttribute<ConnectionModuleAttribute>()!.Offers.Any(kinds.Contains))];

    /// <summary>The options of a module.</summary>
    /// <param name="module">A module that is there.</param>
    public OptionSchema SchemaOf(string module) => OptionSchema.Of(_byName[module]);

    /// <summary>
    /// New options of a module, to be bound; null when there is no such module. Required ones are the binder's to demand.
    /// </summary>
    /// <param name="module">The name; letter case does not matter.</param>
    public object? NewOptions(string module) => !_byName.TryGetValue(module, out var type) ? null
        : type.IsDefined(typeof(RequiredMemberAttribute)) ? RuntimeHelpers.GetUninitializedObject(type)
        : Activator.CreateInstance(type);

    /// <summary>These and further ones.</summary>
    /// <param name="types">The classes.</param>
    /// <param name="describe">Class and file, for the operator.</param>
    /// <param name="problems">What is wrong with them; added to.</param>
    internal ConnectionModules With(IEnumerable<Type> types, Func<Type, string> describe, ICollection<string> problems)
    {
        var all = _byName.ToDictionary(StringComparer.OrdinalIgnoreCase);
        foreach (var type in types)
        {
            var name = type.GetCustomAttribute<ConnectionModuleAttribute>()!.Name;
            if (!IsModule(type))
            {
                problems.Add($"{describe(type)} is named as the connection module {name}, but is no {nameof(IConnectionModule)}");
            }
            else if (ModuleRegistry.WhyUnfit(type) is not null)
            {
                problems.Add(
                    $"{describe(type)} is named as the connection module {name}, but it must be public, not abstract or generic, and "
                        + $"have a constructor without parameters");
            }
            else if (!all.TryAdd(name, type))
            {
                problems.Add($"the connection module {name} of {describe(type)} is already that of {describe(all[name])}");
            }
        }

        return new ConnectionModules(all);
    }

    private static bool IsNamed(Type type) => type.IsClass && type.IsDefined(typeof(ConnectionModuleAttribute), inherit: false);

    private static bool IsModule(Type type) => type == typeof(SqlConnectionOptions) || type.IsAssignableTo(typeof(IConnectionModule));
}
