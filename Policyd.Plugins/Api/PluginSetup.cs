using Microsoft.Extensions.Logging;
using Policyd.Configuration;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Memcached;
using Policyd.Plugins.Model;
using Policyd.Plugins.Redis;
using Policyd.Plugins.Sql;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>What a plugin gets once, before the first request.</summary>
public sealed class PluginSetup
{
    internal PluginSetup(Plugin plugin, ConfigObject section, string virtualHost, ModelEnvironment environment, ActionGrammar grammar, IReadOnlyDictionary<string, ConnectionDefinition> connections, PluginResources resources, DiagnosticBag diagnostics)
    {
        Plugin = plugin;
        Section = section;
        VirtualHost = virtualHost;
        Clock = environment.Clock;
        Logger = environment.LoggerFactory.CreateLogger(typeof(Plugin).Namespace + "." + plugin.GetType().Name);
        Grammar = grammar;
        Connections = connections;
        Diagnostics = diagnostics;
        Resources = resources;
    }

    /// <summary>The plugin's section, with the places of its options.</summary>
    public ConfigObject Section { get; }

    /// <summary>The name of the virtual host whose chain the plugin is in.</summary>
    public string VirtualHost { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; }

    /// <summary>The log.</summary>
    public ILogger Logger { get; }

    /// <summary>The grammar of actions with the operator's restriction classes.</summary>
    public ActionGrammar Grammar { get; }

    /// <summary>The connections of the configuration by name.</summary>
    public IReadOnlyDictionary<string, ConnectionDefinition> Connections { get; }

    /// <summary>The counters to ask; they may be asked from the first request on.</summary>
    public ICounters Counters => Resources.Counters;

    /// <summary>The server's resolver, which all plugins share: what one has asked another finds in its cache.</summary>
    public IDnsResolver Dns => Resources.Dns;

    internal PluginResources Resources { get; }

    private Plugin Plugin { get; }

    // Set where the plugin's options do not fit: what else it says comes of that.
    internal bool TellsConnectionsOnly { get; init; }

    private DiagnosticBag Diagnostics { get; }

    private HashSet<(string Option, string Connection)> Missing { get; } = [];

    /// <summary>The database of a SQL connection; null, and an error at the option's place, when there is none of that name.</summary>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    public ISqlDatabase? Database(string option, string connection) => HasSql(option, connection) ? Resources.Sql.Database(connection) : null;

    /// <summary>The counter tables of a SQL connection, for housekeeping; null, and an error, when there is none of that name.</summary>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    public ICounterStore? CounterStore(string option, string connection) => HasSql(option, connection) ? Resources.Sql.CounterStore(connection) : null;

    /// <summary>Declares that the plugin uses a counter table, so that the server prepares it; an error when the connection is not there.</summary>
    /// <param name="connection">The name of the SQL connection, which the option <c>db</c> gave.</param>
    /// <param name="table">The table, as <see cref="CounterTableName.TryParse"/> gives it.</param>
    /// <param name="writes">Whether the plugin counts there.</param>
    public CounterTable UseCounterTable(string connection, string table, bool writes)
    {
        // A table of a connection that is not there would only be missed when the server prepares it.
        HasSql("db", connection);
        return Resources.Tables.Use(connection, table, writes);
    }

    // For a user's own choice of field, at run time: the same object as a plugin declared, so that it knows whether anybody counts.
    internal CounterTable FindCounterTable(string connection, string table) => Resources.Tables.Find(connection, table);

    /// <summary>Reports an error at an option's place; the server does not start.</summary>
    /// <param name="option">The option's name.</param>
    /// <param name="message">What is wrong.</param>
    public void Error(string option, string message) => Error(Section.PositionOf(option), $"{option}: {message}");

    /// <summary>Reports an error at a place of another file, such as a list that an option names.</summary>
    /// <param name="place">The place.</param>
    /// <param name="message">What is wrong.</param>
    public void Error(SourcePosition place, string message)
    {
        if (!TellsConnectionsOnly)
        {
            Diagnostics.Error(place, $"plugin {Plugin.Name}: {message}");
        }
    }

    /// <summary>Warns at an option's place.</summary>
    /// <param name="option">The option's name.</param>
    /// <param name="message">What is probably wrong.</param>
    public void Warning(string option, string message)
    {
        if (!TellsConnectionsOnly)
        {
            Diagnostics.Warning(Section.PositionOf(option), $"plugin {Plugin.Name}: {option}: {message}");
        }
    }

    /// <summary>
    /// Declares that the plugin acts on what another one has found. When no virtual host has a plugin of that module and name the operator is warned.
    /// </summary>
    /// <typeparam name="T">The other plugin's module.</typeparam>
    /// <param name="option">The option that names it.</param>
    /// <param name="plugin">Its name.</param>
    public void UseResultOf<T>(string option, string plugin)
        where T : Plugin => Resources.Results.Add(typeof(T), plugin, Plugin, option, Section.PositionOf(option));

    /// <summary>A path of the configuration: relative ones count from the configuration file's folder.</summary>
    /// <param name="path">The path.</param>
    public string ResolvePath(string path)
    {
        var folder = Path.GetDirectoryName(Section.Position.File);
        return string.IsNullOrEmpty(folder) ? path : Path.Combine(folder, path);
    }

    /// <summary>Where a plugin's tickets or traps rest; null, and an error, when the connection is not there.</summary>
    internal IExpiringStore? ExpiringStore(string option, ExpiringModule module, string db, string memcached, string redis) => module switch
    {
        ExpiringModule.Sql => OwnDatabase(option, db, SqlExpiringStore.Table) is { } database ? new SqlExpiringStore(database, Clock) : null,
        ExpiringModule.Memcached => Connection<MemcachedClient>(option, memcached, "Memcached") is { } client ? new CacheExpiringStore(client) : null,
        ExpiringModule.Redis => Connection<RedisClient>(option, redis, "Redis") is { } client ? new CacheExpiringStore(client) : null,
        _ => Resources.Memory,
    };

    /// <summary>A connection other than SQL; null, and an error at the option's place, when there is none of that name and kind.</summary>
    /// <typeparam name="T">The kind of connection.</typeparam>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="module">The module that makes such connections, for the message.</param>
    internal T? Connection<T>(string option, string connection, string module)
        where T : class
    {
        Resources.UsedConnections.Add(connection);
        var found = Resources.Connections.Find<T>(connection);
        if (found is null)
        {
            NoConnection(option, connection, module);
        }

        return found;
    }

    /// <summary>The database of a SQL connection; null, and an error, when there is none of that name.</summary>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="ownTable">A table that the plugin makes there when it first needs it.</param>
    internal SqlDatabase? OwnDatabase(string option, string connection, string? ownTable = null)
    {
        if (!HasSql(option, connection))
        {
            return null;
        }

        if (ownTable is not null)
        {
            Resources.OwnTables.Add((connection, ownTable));
        }

        return Resources.Sql.Own(connection);
    }

    /// <summary>Makes an operator's statement ready, and remembers where it stands: <c>policyd check</c> has the database prepare it.</summary>
    /// <param name="option">The option that has it.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="database">The connection's database.</param>
    /// <param name="sql">The statement.</param>
    internal SqlQuery Statement(string option, string connection, SqlDatabase database, string sql)
    {
        var query = SqlQuery.Parse(sql, database.Provider);
        Resources.Statements.Add(new ConfiguredStatement(Plugin.Name, option, Section.PositionOf(option), connection, database, query));
        return query;
    }

    private bool HasSql(string option, string connection)
    {
        Resources.UsedConnections.Add(connection);
        var found = Resources.Sql.Contains(connection);
        if (!found)
        {
            NoConnection(option, connection, ConnectionModules.Sql);
        }

        return found;
    }

    private void NoConnection(string option, string connection, string module)
    {
        // A plugin that asks for it several times gets one message.
        if (!Missing.Add((option, connection)))
        {
            return;
        }

        var subject = $"plugin {Plugin.Name}: {option}";
        if (!Connections.TryGetValue(connection, out var other))
        {
            var known = Connections.Count == 0 ? "" : $"; available: {string.Join(", ", Connections.Keys)}";
            var hint = EditDistance.Closest(connection, Connections.Keys) is { } close ? $"; did you mean {close}?" : known;
            Diagnostics.Error(Section.PositionOf(option), $"{subject}: there is no connection \"{connection}\"{hint}");
        }
        else if (!other.Module.Equals(module, StringComparison.OrdinalIgnoreCase))
        {
            Diagnostics.Error(Section.PositionOf(option), $"{subject}: the connection \"{connection}\" has module = {other.Module}, but this option needs module = {module}");
        }
    }
}
