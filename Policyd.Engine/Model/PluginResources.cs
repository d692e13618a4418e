using Microsoft.Extensions.Logging;
using Policyd.Backends.Expiring;
using Policyd.Backends.Fail2Ban;
using Policyd.Backends.GeoIp;
using Policyd.Backends.LookupFiles;
using Policyd.Backends.Smtp;
using Policyd.Backends.Sql;
using Policyd.Configuration.Tree;
using Policyd.Engine.Connections;
using Policyd.Engine.Loading;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Fail2Ban;
using Policyd.Plugins.GeoIp;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.LookupFiles;
using Policyd.Plugins.Smtp;
using Policyd.Plugins.Sql;
using Policyd.Protocol;

namespace Policyd.Engine.Model;

// What the plugins of all chains of a model share, and what they have declared while they were initialized.
internal sealed class PluginResources : IPluginHost
{
    private readonly Lazy<IDnsResolver> _dns;
    private readonly Dictionary<Type, object> _services;
    private readonly ReplayParts? _replay;
    private readonly Dictionary<Type, IAsyncDisposable> _shared = [];
    private readonly bool _guardsAll;
    private readonly ModuleRegistry _ours;
    private readonly ConnectionModules _connectionModules;
    private PluginResources? _former;

    public PluginResources(
        BuildContext build,
        ActionGrammar grammar,
        IReadOnlyDictionary<string, ConnectionDefinition> definitions,
        ServerConnections connections,
        Lazy<IDnsResolver> dns)
    {
        // Not the context: its environment has the model before this one, which is to be forgotten.
        var environment = build.Environment;
        (_guardsAll, _ours, _connectionModules) = (environment.GuardsModules, environment.Modules, build.Modules.Connections);
        _former = environment.Former?.Resources;
        Clock = environment.Clock;
        Loggers = environment.LoggerFactory;
        Grammar = grammar;
        Diagnostics = build.Diagnostics;
        Connections = definitions;
        Counters = environment.Counters ?? _former?.Counters ?? new CounterGateway();
        Opened = connections;
        _dns = dns;
        _replay = environment.Replay;
        _services = _former?._services ?? new Dictionary<Type, object>
        {
            [typeof(IExpiringStores)] = _replay?.Stores ?? new ExpiringStores(environment.Clock),
            [typeof(ILookupFiles)] = new LookupFileReader(),
            [typeof(ICountryDatabases)] = new CountryDatabases(),
            [typeof(IMailVerifiers)] = _replay?.Verifiers ?? new SmtpVerifiers(),
            [typeof(IFail2Ban)] = _replay?.Fail2Ban ?? new Fail2BanClient(),
        };
    }

    public TimeProvider Clock { get; }

    public ILoggerFactory Loggers { get; }

    public ActionGrammar Grammar { get; }

    public DiagnosticBag Diagnostics { get; }

    public IReadOnlyDictionary<string, ConnectionDefinition> Connections { get; }

    public ICounters Counters { get; }

    /// <summary>The connections themselves.</summary>
    public ServerConnections Opened { get; }

    public HttpMessageHandler? HttpHandler => _replay is { IsOffline: true } ? new OfflineHttp() : null;

    // Made when the first plugin asks for it: a configuration without lookups needs no server.
    public IDnsResolver Dns => _dns.Value;

    /// <summary>The same, for a later configuration with the same options.</summary>
    public Lazy<IDnsResolver> LazyDns => _dns;

    public CounterTableSet Tables { get; } = new();

    public ResultReferences Results { get; } = new();

    // In the order of the file: a plugin before those nested in it.
    public List<PlacedPlugin> Placed { get; } = [];

    // The connections that somebody has asked for.
    public HashSet<string> UsedConnections { get; } = new(StringComparer.Ordinal);

    public List<ConfiguredStatement> Statements { get; } = [];

    // The tables that a server makes for itself when it first needs them, besides those of counters.
    public HashSet<(string Connection, string Table)> OwnTables { get; } = [];

    /// <summary>Whether code of a module may hold a thread, since it is not the server's own.</summary>
    public bool Guards(Type module) => _guardsAll || !_ours.Modules.Contains(module);

    public T Service<T>()
        where T : class => (T)_services[typeof(T)];

    public T Shared<T>(Func<T> make)
        where T : class, IAsyncDisposable
    {
        if (!_shared.TryGetValue(typeof(T), out var shared))
        {
            shared = _former?._shared.GetValueOrDefault(typeof(T)) is IOutlivesReload kept ? (IAsyncDisposable)kept : Opened.Own(make());
            _shared.Add(typeof(T), shared);
        }

        return (T)shared;
    }

    public void Uses(string connection) => UsedConnections.Add(connection);

    public T? Connection<T>(string name)
        where T : class =>
        _replay is { IsOffline: true } && typeof(T) == typeof(ILdapDirectory) ? (T)(object)OfflineDirectory.Instance : Opened.Find<T>(name);

    public IReadOnlyList<string> ModulesOffering(IReadOnlyList<Type> kinds) => _connectionModules.Offering([.. kinds]);

    // A replay changes nothing in the caches of the running server, and finds nothing that a later mail has put there.
    public IValueCache? Cache(string connection) => Opened.Find<IValueCache>(connection) is not { } cache ? null
        : _replay is null ? cache
        : Shared(() => new ReplayedCaches(Clock)).Of(connection);

    public bool HasDatabase(string connection) => Opened.Sql.Contains(connection);

    public ISqlDatabase Database(string connection) =>
        _replay is { IsOffline: true } ? new OfflineDatabase(Opened.Sql.Database(connection)) : Opened.Sql.Database(connection);

    public CounterTable UseCounterTable(string connection, string table, bool writes) => Tables.Use(connection, table, writes);

    public CounterTable FindCounterTable(string connection, string table) => Tables.Find(connection, table);

    public void AddOwnTable(string connection, string table) => OwnTables.Add((connection, table));

    public ISqlStatement Statement(string plugin, string option, SourcePosition place, string connection, string sql)
    {
        var database = Opened.Sql.Database(connection);
        var query = SqlQuery.Parse(sql, database.Provider);
        Statements.Add(new ConfiguredStatement(plugin, option, place, connection, database, query));
        return _replay is { IsOffline: true }
            ? new OfflineStatement(query.ParameterCount, database.Description)
            : new SqlStatement(database, query);
    }

    public void AddResultReference(Type module, string name, Plugin by, string option, SourcePosition place) =>
        Results.Add(module, name, by, option, place);

    /// <summary>All plugins are initialized: what the former configuration had is not held any longer than that one lives.</summary>
    public void Complete() => _former = null;

    /// <summary>Ends what is shared by plugins and not used by a later configuration.</summary>
    public async ValueTask EndAllButAsync(PluginResources successor)
    {
        foreach (var shared in _shared.Values.Where(shared => !successor._shared.ContainsValue(shared)))
        {
            await Opened.EndAsync(shared).ConfigureAwait(false);
        }

        if (!ReferenceEquals(_dns, successor._dns) && _dns is { IsValueCreated: true, Value: IAsyncDisposable resolver })
        {
            await Opened.EndAsync(resolver).ConfigureAwait(false);
        }
    }
}
