using System.Runtime.CompilerServices;
using Policyd.Backends.Ldap;
using Policyd.Backends.Memcached;
using Policyd.Backends.Redis;
using Policyd.Backends.Sql;
using Policyd.Configuration.Options;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Connections;

// The modules that a section of connections may name, each with the class of its options.
internal static class ConnectionModules
{
    private static readonly Dictionary<string, Type> s_options = new(StringComparer.OrdinalIgnoreCase)
    {
        [Sql] = typeof(SqlConnectionOptions),
        ["Memcached"] = typeof(MemcachedConnectionOptions),
        ["Redis"] = typeof(RedisConnectionOptions),
        ["Ldap"] = typeof(LdapConnectionOptions),
    };

    public const string Sql = PluginSetup.SqlModule;

    public static IReadOnlyCollection<string> Names => s_options.Keys;

    /// <summary>The options of a module.</summary>
    public static OptionSchema SchemaOf(string module) => OptionSchema.Of(s_options[module]);

    /// <summary>
    /// New options of a module, to be bound; null when there is no such module. Required ones are the binder's to demand.
    /// </summary>
    public static object? NewOptions(string module)
    {
        if (!s_options.TryGetValue(module, out var type))
        {
            return null;
        }

        return type == typeof(SqlConnectionOptions) ? RuntimeHelpers.GetUninitializedObject(type) : Activator.CreateInstance(type);
    }
}
