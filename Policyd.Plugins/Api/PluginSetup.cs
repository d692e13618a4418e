using Microsoft.Extensions.Logging;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sql;
using Policyd.Protocol;

namespace Policyd.Plugins.Api;

/// <summary>What a plugin gets once, before the first request.</summary>
public sealed class PluginSetup
{
    // What a connection's section names for databases.
    internal const string SqlModule = "Sql";

    /// <summary>What stands for a connection where a cache may also be in this server's memory.</summary>
    internal const string Memory = "memory";

    private readonly IPluginHost _host;

    internal PluginSetup(Plugin plugin, ConfigObject section, string virtualHost, IPluginHost host)
    {
        Plugin = plugin;
        Section = section;
        VirtualHost = virtualHost;
        Logger = new PluginLogger(
            host.Loggers.CreateLogger(typeof(Plugin).Namespace + "." + plugin.GetType().Name), virtualHost, plugin.Name);
        _host = host;
    }

    /// <summary>The plugin's section, with the places of its options.</summary>
    public ConfigObject Section { get; }

    /// <summary>The name of the virtual host whose chain the plugin is in.</summary>
    public string VirtualHost { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Clock => _host.Clock;

    /// <summary>The log, whose lines name the virtual host and the plugin.</summary>
    public ILogger Logger { get; }

    /// <summary>The grammar of actions with the operator's restriction classes.</summary>
    public ActionGrammar Grammar => _host.Grammar;

    /// <summary>The connections of the configuration by name.</summary>
    public IReadOnlyDictionary<string, ConnectionDefinition> Connections => _host.Connections;

    /// <summary>The counters to ask; they may be asked from the first request on.</summary>
    public ICounters Counters => _host.Counters;

    /// <summary>The server's resolver, which all plugins share: what one has asked another finds in its cache.</summary>
    public IDnsResolver Dns
    {
        get
        {
            Needs.UsesDns = true;
            return _host.Dns;
        }
    }

    /// <summary>What the plugin has asked for so far.</summary>
    internal PluginNeeds Needs { get; } = new();

    internal Plugin Plugin { get; }

    /// <inheritdoc cref="IPluginHost.HttpHandler"/>
    internal HttpMessageHandler? HttpHandler => _host.HttpHandler;

    // Set where the plugin's options do not fit: what else it says comes of that.
    internal bool TellsConnectionsOnly { get; init; }

    private DiagnosticBag Diagnostics => _host.Diagnostics;

    private HashSet<(string Option, string Connection)> Missing { get; } = [];

    /// <summary>
    /// Declares that the plugin uses a counter table, so that the server prepares it; an error when the connection is not there. A plugin
    /// that only counts is better served by <c>setup.Counter</c> of <c>Policyd.Plugins.Services</c>.
    /// </summary>
    /// <param name="connection">The name of the SQL connection, which the option <c>db</c> gave.</param>
    /// <param name="table">The table, as <see cref="CounterTableName.TryParse"/> gives it.</param>
    /// <param name="writes">Whether the plugin counts there.</param>
    public CounterTable UseCounterTable(string connection, string table, bool writes)
    {
        // A table of a connection that is not there would only be missed when the server prepares it.
        HasSql("db", connection);
        Needs.AddCounters(connection);
        return _host.UseCounterTable(connection, table, writes);
    }

    /// <summary>
    /// A table that only a mail tells, such as that of a user's own choice of field. May be called while requests run. It is the same
    /// object as plugins have declared, so that it knows whether anybody counts there; the server prepares no table for it.
    /// </summary>
    /// <param name="connection">The name of the SQL connection.</param>
    /// <param name="table">The table, as <see cref="CounterTableName.TryParse"/> gives it.</param>
    public CounterTable FindCounterTable(string connection, string table) => _host.FindCounterTable(connection, table);

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
    /// Declares that the plugin acts on what another one has found. When no virtual host has a plugin of that module and name the operator
    /// is warned.
    /// </summary>
    /// <typeparam name="T">The other plugin's module.</typeparam>
    /// <param name="option">The option that names it.</param>
    /// <param name="plugin">Its name.</param>
    public void UseResultOf<T>(string option, string plugin)
        where T : Plugin => _host.AddResultReference(typeof(T), plugin, Plugin, option, Section.PositionOf(option));

    /// <summary>A path of the configuration: relative ones count from the configuration file's folder.</summary>
    /// <param name="path">The path.</param>
    public string ResolvePath(string path)
    {
        var folder = Path.GetDirectoryName(Section.Position.File);
        var resolved = string.IsNullOrEmpty(folder) ? path : Path.Combine(folder, path);
        Needs.AddFile(resolved);
        return resolved;
    }

    /// <summary>The database of a SQL connection; null, and an error at the option's place, when there is none of that name.</summary>
    internal ISqlDatabase? SqlDatabase(string option, string connection) => HasSql(option, connection) ? _host.Database(connection) : null;

    /// <inheritdoc cref="IPluginHost.Service"/>
    internal T Service<T>()
        where T : class => _host.Service<T>();

    /// <summary>
    /// An object that all plugins share which ask for its type: made when the first one asks, disposed with the server's connections. A
    /// reload makes it anew, unless it is an <see cref="IOutlivesReload"/>. Many requests use it at the same time.
    /// </summary>
    /// <typeparam name="T">What is shared: a class of the module's own.</typeparam>
    /// <param name="make">Makes it.</param>
    public T Shared<T>(Func<T> make)
        where T : class, IAsyncDisposable
    {
        var shared = _host.Shared(make);
        if (shared is not IOutlivesReload)
        {
            Needs.AddShared(typeof(T).Name);
        }

        return shared;
    }

    /// <summary>A connection other than SQL; null, and an error at the option's place, when there is none of that name and kind.</summary>
    /// <typeparam name="T">
    /// What the connection is: a class of the module's own, or an interface such as <see cref="IValueCache"/>. Many requests use it at the
    /// same time.
    /// </typeparam>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="module">The module that makes such connections, as its <c>ConnectionModule</c> attribute names it.</param>
    public T? Connection<T>(string option, string connection, string module)
        where T : class
    {
        Uses(connection);
        if (IsOf(connection, module) && _host.Connection<T>(connection) is { } found)
        {
            return found;
        }

        NoConnection(option, connection, module);
        return null;
    }

    /// <summary>
    /// The cache of a connection; null, and an error at the option's place, when there is none of that name or it is no cache.
    /// </summary>
    internal IValueCache? ValueCache(string option, string connection)
    {
        Uses(connection);
        if (_host.Cache(connection) is { } cache)
        {
            return cache;
        }

        // One whose own options do not fit is not there either, and has told so.
        if (!Connections.ContainsKey(connection))
        {
            NoConnection(option, connection, "", $"; {Memory} is this server's memory");
        }
        else if (_host.HasDatabase(connection) || _host.Connection<IAsyncDisposable>(connection) is not null)
        {
            Error(
                option,
                $"the connection \"{connection}\" has module = {Connections[connection].Module}, but this option needs a cache, "
                    + $"such as module = Redis or module = Memcached, or {Memory}");
        }

        return null;
    }

    /// <summary>
    /// The database in which the plugin makes a table when it first needs it; null, and an error, when there is no SQL connection of that
    /// name.
    /// </summary>
    /// <param name="option">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="table">The table.</param>
    internal ISqlDatabase? OwnTable(string option, string connection, string table)
    {
        if (!HasSql(option, connection))
        {
            return null;
        }

        _host.AddOwnTable(connection, table);
        return _host.Database(connection);
    }

    /// <summary>
    /// Makes an operator's statement ready, and remembers where it stands: <c>policyd check</c> has the database prepare it. Null, and an
    /// error, when there is no SQL connection of that name.
    /// </summary>
    /// <param name="option">The option that has it.</param>
    /// <param name="connectionOption">The option that names the connection.</param>
    /// <param name="connection">The connection's name.</param>
    /// <param name="sql">The statement.</param>
    internal ISqlStatement? Statement(string option, string connectionOption, string connection, string sql) =>
        HasSql(connectionOption, connection) ? _host.Statement(Plugin.Name, option, Section.PositionOf(option), connection, sql) : null;

    /// <summary>
    /// Whether connections of a module offer one of these; if not, an error at the option's place that tells which modules do.
    /// </summary>
    /// <param name="option">The option that names the module.</param>
    /// <param name="module">The module.</param>
    /// <param name="own">What else the option may name.</param>
    /// <param name="kinds">What connections may offer.</param>
    internal bool IsOffered(string option, string module, IReadOnlyList<string> own, params Type[] kinds)
    {
        IReadOnlyList<string> known = [.. own, .. _host.ModulesOffering(kinds)];
        if (known.Contains(module, StringComparer.OrdinalIgnoreCase))
        {
            return true;
        }

        var hint = EditDistance.Closest(module, known) is { } close
            ? $"did you mean {close}?"
            : $"available: {string.Join(", ", known)}";
        Error(option, $"nothing can be stored in \"{module}\"; {hint}");
        return false;
    }

    private bool IsOf(string connection, string module) =>
        Connections.TryGetValue(connection, out var definition) && definition.Module.Equals(module, StringComparison.OrdinalIgnoreCase);

    private bool HasSql(string option, string connection)
    {
        Uses(connection);
        var found = _host.HasDatabase(connection);
        if (!found)
        {
            NoConnection(option, connection, SqlModule);
        }

        return found;
    }

    private void Uses(string connection)
    {
        Needs.AddConnection(connection);
        _host.Uses(connection);
    }

    private void NoConnection(string option, string connection, string module, string also = "")
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
            Diagnostics.Error(Section.PositionOf(option), $"{subject}: there is no connection \"{connection}\"{hint}{also}");
        }
        else if (!other.Module.Equals(module, StringComparison.OrdinalIgnoreCase))
        {
            Diagnostics.Error(
                Section.PositionOf(option),
                $"{subject}: the connection \"{connection}\" has module = {other.Module}, but this option needs module = {module}");
        }
    }
}
