using System.Collections.Frozen;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Configuration.Tree;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Engine.Chain;
using Policyd.Engine.Connections;
using Policyd.Engine.Cron;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Life;
using Policyd.Engine.Loading;
using Policyd.Engine.Logging;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Engine.Model;

/// <summary>A server as its configuration describes it: everything is made and checked, nothing listens yet.</summary>
public sealed class PolicyServerModel
{
    private readonly Dictionary<PolicyEndpoint, VirtualHost> _byListener;
    private readonly Dictionary<string, VirtualHost> _byName;
    private readonly CounterUpkeep _upkeep;

    internal PolicyServerModel(
        ServerOptions options,
        IReadOnlyList<PolicyEndpoint> listeners,
        IReadOnlyList<VirtualHostDefinition> hosts,
        ISessionStore sessions,
        ChainEnvironment chains,
        PluginResources resources)
    {
        Resources = resources;
        Options = options;
        Listeners = listeners;
        Sessions = sessions;
        Chains = chains;
        Connections = resources.Connections;
        Counters = resources.Counters;
        _upkeep = new CounterUpkeep(resources.Tables, resources.Opened.Sql);
        CounterTables = resources.Tables.Uses;
        Statements = resources.Statements;
        OwnTables = resources.OwnTables.Concat(CounterTables.Select(use => (use.Connection, use.Table))).ToHashSet();
        ServerConnections = resources.Opened;
        VirtualHosts = [.. hosts.Select(host => host.Host)];
        _byName = VirtualHosts.ToDictionary(host => host.Name, StringComparer.Ordinal);
        _byListener = listeners
            .Select(listener => (listener, host: hosts.FirstOrDefault(host => host.Serves(listener))))
            .Where(pair => pair.host is not null)
            .ToDictionary(pair => pair.listener, pair => pair.host!.Host);
    }

    private IEnumerable<Plugin> Plugins => VirtualHosts.SelectMany(static host => host.Chain.All);

    private PluginLife Life => new(Chains.Logger);

    /// <summary>What its plugins share, and each plugin at its place.</summary>
    internal PluginResources Resources { get; }

    /// <summary>The configuration that it was made from.</summary>
    public ConfigObject Root { get; internal init; } = ConfigObject.Empty(default);

    /// <summary>Its <c>policyd { }</c>.</summary>
    public ConfigObject Section => (ConfigObject)Root["policyd"]!;

    /// <summary>
    /// All plugin sets that this model and those before it have loaded, by fingerprint: one whose files have not changed goes on.
    /// </summary>
    internal Dictionary<string, PluginSet> PluginSets { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Those of them that this model uses.</summary>
    internal IReadOnlyList<PluginSet> UsedPluginSets { get; init; } = [];

    /// <summary>The files of third-party plugins that this model has loaded, and another one has not with this content.</summary>
    /// <param name="other">The other model.</param>
    public IEnumerable<string> PluginFilesBeyond(PolicyServerModel other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return UsedPluginSets.Except(other.UsedPluginSets).SelectMany(static set => set.Plugins.Select(static plugin => plugin.File));
    }

    /// <summary>Plugins that were made for it and are not needed, since those of the model before it are kept.</summary>
    internal IReadOnlyList<Plugin> Unused { get; init; } = [];

    /// <summary>The options of <c>policyd { }</c>.</summary>
    public ServerOptions Options { get; }

    /// <summary>The virtual hosts, in the order of the file.</summary>
    public IReadOnlyList<VirtualHost> VirtualHosts { get; }

    /// <summary>Where to listen.</summary>
    public IReadOnlyList<PolicyEndpoint> Listeners { get; }

    /// <summary>The connections by name.</summary>
    public IReadOnlyDictionary<string, ConnectionDefinition> Connections { get; }

    /// <summary>Where sessions rest.</summary>
    public ISessionStore Sessions { get; }

    /// <summary>The counters that the plugins ask.</summary>
    public ICounters Counters { get; }

    /// <summary>Where the server attaches its counters; null when the environment gave others.</summary>
    public CounterGateway? CounterGateway => Counters as CounterGateway;

    /// <summary>The counter tables that the plugins of all chains use, each use once.</summary>
    public IReadOnlyList<CounterTableUse> CounterTables { get; }

    /// <summary>The connections themselves; whoever made the model disposes them.</summary>
    public ServerConnections ServerConnections { get; }

    /// <summary>The SQL connections.</summary>
    public SqlConnections Sql => ServerConnections.Sql;

    /// <summary>
    /// The counter stores of the connections that have counter tables. In a cluster each call gives the stores of one life of a member,
    /// which are <see cref="IMemberFences"/>.
    /// </summary>
    public IReadOnlyDictionary<string, ICounterStore> CounterStores => CounterTables.Select(use => use.Connection).Distinct().ToDictionary(
        name => name, name => Options.Cluster is null ? Sql.CounterStore(name) : new FencedCounterStore(Sql.CounterStore(name)));

    /// <summary>What the members of the cluster know of one another, for one life of a member.</summary>
    /// <exception cref="InvalidOperationException">The configuration has no cluster.</exception>
    public IClusterDirectory ClusterDirectory() => Options.Cluster is { } cluster
        ? Sql.ClusterDirectory(cluster.Db)
        : throw new InvalidOperationException("the configuration has no cluster");

    /// <summary>The statements that the operator has written, each with its place.</summary>
    public IReadOnlyList<ConfiguredStatement> Statements { get; }

    /// <summary>The tables that a server makes where they are not there yet.</summary>
    public IReadOnlySet<(string Connection, string Table)> OwnTables { get; }

    /// <summary>The server's own tables, in groups, and the connections on which this configuration needs them.</summary>
    public IReadOnlyList<(string Connection, OwnTableGroup Group)> OwnTableGroups =>
    [
        .. CounterTables.Select(use => use.Connection).Distinct().Select(name => (name, OwnTableGroup.Counters)),
        .. OwnTables.Where(own => own.Table == OwnTableGroup.ExpiringTable).Select(own => (own.Connection, OwnTableGroup.Expiring)),
        .. Cron.Runs && Sql.Contains(Cron.Db) ? new[] { (Cron.Db, OwnTableGroup.Cron) } : [],
        .. Options.Cluster is null ? []
            : CounterTables.Select(use => use.Connection).Distinct().Select(name => (name, OwnTableGroup.Nodes)),
        .. Options.Cluster is { } cluster && Sql.Contains(cluster.Db) ? new[] { (cluster.Db, OwnTableGroup.Cluster) } : [],
        .. Options.Decisions is { What: not KeptDecisions.Off } kept ? new[] { (kept.Db, OwnTableGroup.Decisions) } : [],
    ];

    /// <summary>When the periodic tasks run.</summary>
    public CronOptions Cron { get; internal init; } = new();

    /// <summary>Clock, log and grammar of the chains.</summary>
    public ChainEnvironment Chains { get; }

    /// <summary>
    /// The plugins that do not run, since requests are only tried and what these do may be seen outside; none in a server.
    /// </summary>
    public IReadOnlyCollection<Plugin> NotRun => Chains.NotRun ?? FrozenSet<Plugin>.Empty;

    /// <summary>What Postfix obeys, with the operator's restriction classes.</summary>
    public ActionGrammar Grammar => Chains.Grammar;

    /// <summary>The virtual host of a request; null when there is none, and the connection is to be closed.</summary>
    /// <param name="listener">Where the connection came in: one of <see cref="Listeners"/>.</param>
    /// <param name="request">The request.</param>
    public VirtualHost? Select(PolicyEndpoint listener, PolicyRequest request) =>
        Options.VhostByPolicyContext && request.PolicyContext is { Length: > 0 } name && _byName.TryGetValue(name, out var named)
            ? named
            : _byListener.GetValueOrDefault(listener);

    /// <summary>Logs a request as it came, at level 4.</summary>
    /// <param name="host">Its virtual host.</param>
    /// <param name="request">The request.</param>
    public void LogReceived(VirtualHost host, PolicyRequest request)
    {
        if (Chains.Logger.IsEnabled(LogLevel.Trace))
        {
            request.Hold();   // its line is made later, by the log's own thread
            ChainLog.Write(Chains.Logger, LogLevel.Trace, new ReceivedRequest(host.Name, request));
        }
    }

    /// <summary>
    /// Logs the line of a request at the level that <see cref="RequestLogLine.Level"/> tells, and tells those who listen. Costs nothing
    /// when nobody does.
    /// </summary>
    /// <param name="host">The virtual host; null when the request has none.</param>
    /// <param name="request">The request.</param>
    /// <param name="elapsed">From arrival to answer.</param>
    /// <param name="outcome">What came out.</param>
    /// <param name="listeners">Who listens besides the log.</param>
    /// <param name="recorder">What the chain has written; null when nobody asked for it. It is not to be used afterwards.</param>
    public void Report(
        VirtualHost? host,
        PolicyRequest request,
        TimeSpan elapsed,
        in ChainOutcome outcome,
        DecisionListeners listeners,
        DecisionRecorder? recorder = null)
    {
        ArgumentNullException.ThrowIfNull(listeners);
        var (isLogged, isHeard) = (RequestLogLine.IsShown(Chains.Logger), listeners.Any);
        if (!isLogged && !isHeard)
        {
            return;
        }

        var record = new RequestRecord
        {
            VirtualHost = host?.Name,
            Request = request,
            Plugin = outcome.Plugin,
            Action = outcome.Action,
            Remarks = outcome.Remarks,
            Failure = outcome.Failure,
            Scores = outcome.Scores,
            Elapsed = elapsed,
            Trail = isHeard ? new DecisionTrail(Chains.Clock.GetUtcNow(), recorder?.Close()) : null,
        };
        if (isHeard)
        {
            listeners.Tell(record);
            if (recorder is not null && !record.IsHeld && outcome is { IsOver: true, Failure: null })
            {
                listeners.Return(recorder);   // the log's line has nothing of the steps
            }
        }

        if (isLogged)
        {
            record.Hold();
            ChainLog.Write(Chains.Logger, RequestLogLine.Level.ToLogLevel(), record);
        }
    }

    /// <summary>Whether both have the same connection under the name: one that no option has changed.</summary>
    /// <param name="connection">The name.</param>
    /// <param name="other">The other model.</param>
    public bool SharesConnection(string connection, PolicyServerModel other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return ServerConnections.Shares(connection, other.ServerConnections);
    }

    /// <summary>
    /// Ends what only this model has, when another one has taken its place and no request is on its way through its chains any more.
    /// </summary>
    /// <param name="successor">The model that has taken its place.</param>
    /// <param name="counting">The names of the connections that counters go on using.</param>
    public async ValueTask EndAllButAsync(PolicyServerModel successor, IReadOnlyCollection<string> counting)
    {
        ArgumentNullException.ThrowIfNull(successor);
        await Life.EndAsync(Plugins.Except(successor.Plugins), Options.PluginStopTimeout).ConfigureAwait(false);
        await Resources.EndAllButAsync(successor.Resources).ConfigureAwait(false);
        await ServerConnections.EndAllButAsync(successor.ServerConnections, counting).ConfigureAwait(false);
    }

    /// <summary>Starts its plugins, but for those that the model before it has started.</summary>
    /// <param name="former">That model; null at the start of a server.</param>
    /// <param name="ct">Cancelled when the server is stopped meanwhile.</param>
    /// <exception cref="PluginStartException">One of them cannot start, or is not done in time.</exception>
    public Task StartPluginsAsync(PolicyServerModel? former, CancellationToken ct) =>
        Life.StartAsync(former is null ? Plugins : Plugins.Except(former.Plugins), Options.PluginStartTimeout, ct);

    /// <summary>Ends all of its plugins, when no request comes any more.</summary>
    public Task EndPluginsAsync() => Life.EndAsync(Plugins, Options.PluginStopTimeout);

    /// <summary>Ends the plugins that were made for it in vain.</summary>
    public Task EndUnusedAsync() => Life.EndAsync(Unused, Options.PluginStopTimeout);

    /// <summary>Runs the cron of all plugins.</summary>
    /// <param name="tasks">The tasks, such as <c>hourly</c>.</param>
    /// <param name="ct">Cancelled when the server stops.</param>
    /// <returns>How many plugins failed; each has left a line in the log.</returns>
    public async ValueTask<int> CronAsync(IEnumerable<string> tasks, CancellationToken ct)
    {
        var failures = 0;
        var cron = new CronContext(new HashSet<string>(tasks, StringComparer.Ordinal), Chains.Clock, Chains.Logger, ct);
        foreach (var host in VirtualHosts)
        {
            failures += await PluginCron.RunAsync(host, cron, Cron.Timeout).ConfigureAwait(false);
        }

        return failures + await _upkeep.RunAsync(cron, Cron.Timeout).ConfigureAwait(false);
    }
}

// A virtual host and the listeners it wants: a port of any address, or a whole endpoint.
internal sealed record VirtualHostDefinition(VirtualHost Host, IReadOnlyList<PolicyEndpoint> Endpoints, IReadOnlyList<int> Ports)
{
    public bool Serves(PolicyEndpoint listener) => Endpoints.Contains(listener) || (!listener.IsUnix && Ports.Contains(listener.Port));

    public static bool TryParseListener(string text, List<PolicyEndpoint> endpoints, List<int> ports, out string? error)
    {
        error = null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535)
        {
            ports.Add(port);
        }
        else if (PolicyEndpoint.TryParse(text, out var endpoint, out error))
        {
            endpoints.Add(endpoint);
        }
        else
        {
            return false;
        }

        return true;
    }
}
