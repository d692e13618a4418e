using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Logging;
using Policyd.Backends.Dns;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Advice;
using Policyd.Engine.Chain;
using Policyd.Engine.Connections;
using Policyd.Engine.Cron;
using Policyd.Engine.Decisions;
using Policyd.Engine.Loading;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;
using Policyd.Plugins.Dns;
using Policyd.Protocol;

namespace Policyd.Engine.Building;

/// <summary>
/// From a configuration to the model of its server. Every step reports and goes on, so that an operator sees all that is wrong at once.
/// </summary>
public sealed class ModelBuilder
{
    private readonly ConfigDocument _document;
    private readonly ModelEnvironment _environment;
    private readonly DiagnosticBag _diagnostics;
    private readonly Dictionary<string, PluginSet> _sets;
    private readonly List<PluginSet> _usedSets = [];

    private ModelBuilder(ConfigDocument document, ModelEnvironment environment)
    {
        _document = document;
        _environment = environment;
        _diagnostics = document.Diagnostics;
        _sets = environment.Former?.PluginSets ?? new Dictionary<string, PluginSet>(StringComparer.Ordinal);
    }

    /// <summary>Makes a model. All errors of the file are in the document's diagnostics, each with its place.</summary>
    /// <param name="document">The configuration; its diagnostics are added to.</param>
    /// <param name="environment">Clock, log and modules.</param>
    /// <returns>The model; null when there are errors.</returns>
    public static PolicyServerModel? Build(ConfigDocument document, ModelEnvironment environment) =>
        new ModelBuilder(document, environment).Build();

    private PolicyServerModel? Build()
    {
        RootSections.Check(_document.Root, _diagnostics);
        if (_document.Root["policyd"] is not ConfigObject root)
        {
            return null;
        }

        var options = new ServerOptions();
        OptionBinder.Bind(
            options,
            root,
            _diagnostics,
            new BindingOptions { Subject = "policyd", ConsumedElsewhere = ["connections", "session_cache", "virtual_hosts", "cron"] });
        foreach (var (option, message) in options.Check())
        {
            _diagnostics.Error(root.PositionOf(option), $"{option}: {message}");
        }

        var bound = new BoundAddresses(_diagnostics);
        var listeners = Listeners(options, bound, root);
        if (options.Admin.Check() is { } wrong)
        {
            _diagnostics.Error((root["admin"] as ConfigObject ?? root).PositionOf("listen"), $"admin: listen: {wrong}");
        }

        Others(options, bound, root);
        CheckSection(root, "http", options.Http?.Check());
        CheckSection(root, "otlp", options.Otlp?.Check());
        CheckSection(root, "record", options.Record?.Check());
        var build = new BuildContext(_environment, Modules(options, root), _diagnostics);
        var builder = new ConnectionBuilder(build);
        var (connections, opened) = builder.Build(root);
        CheckSection(root, "decisions", options.Decisions?.Check(opened.Sql));
        var former = _environment.Former;
        var actions = new ActionChecker(
            _document.Format,
            ActionGrammar.Default.WithRestrictionClasses(options.RestrictionClasses),
            _diagnostics,
            _environment.AssumedClasses);
        if (options.OnError.Action is { } onError)
        {
            actions.Check("on_error", onError, root.PositionOf("on_error"));
            if (DecisionId.IsWantedIn(onError))
            {
                _diagnostics.Error(
                    root.PositionOf("on_error"),
                    $"on_error: {DecisionId.Place} has no value here, since a malformed request has no decision");
            }
        }

        var resources = new PluginResources(build, actions.Grammar, connections, opened, Dns(options.Dns, root, opened));
        var hosts = Hosts(root, build, resources, actions);
        Cross(listeners, hosts, root, options);
        builder.MakeStores(opened, connections, resources.Tables.Uses.Select(use => use.Connection));
        var sessions = Guarded("session_cache", root, () => new SessionBuilder(build, resources).Build(root));
        var cron = Guarded("cron", root, () => new CronSection(opened.Sql, _diagnostics).Read(root["cron"]));
        if (options.Cluster is { } cluster && root["cluster"] is ConfigObject section)
        {
            new ClusterRules(cluster, section, resources, _diagnostics).Check(cron, root);
            resources.UsedConnections.Add(cluster.Db);
        }

        if (_diagnostics.HasErrors || sessions is null || cron is null)
        {
            return null;
        }

        // What can be used and is probably not what was meant. With errors it would only add to them.
        resources.UsedConnections.Add(cron.Db);
        if (options.Decisions is { } decisions)
        {
            resources.UsedConnections.Add(decisions.Db);
        }

        ServerAdvice.Check(root, options, resources, connections, _diagnostics);
        var chains = former?.Grammar.IsSameAs(actions.Grammar) == true
            ? former.Chains
            : new ChainEnvironment(_environment.Clock, _environment.LoggerFactory.CreateLogger("Policyd"), actions.Grammar)
            {
                NotRun = _environment.Replay is { } replay
                    ? hosts.SelectMany(static host => host.Chain.All).Where(plugin => !replay.MayRun(plugin)).ToFrozenSet()
                    : null,
                Decides = _environment.Replay is null,
            };
        var kept = former is null ? null : new KeptPlugins(former, chains, resources);
        var definitions = hosts.Select(host => new VirtualHostDefinition(
            kept?.HostOf(host.Name, host.Chain, host.Observes) ?? new VirtualHost(host.Name, host.Chain, chains, host.Observes),
            host.Endpoints,
            host.Ports)).ToList();
        resources.Complete();
        return new PolicyServerModel(options, listeners, definitions, sessions, chains, resources)
        {
            Cron = cron,
            Root = _document.Root,
            PluginSets = _sets,
            UsedPluginSets = _usedSets,
            Unused = kept?.Unused ?? [],
        };
    }

    private void CheckSection(ConfigObject root, string name, (string Option, string Message)? wrong)
    {
        if (wrong is var (option, message))
        {
            _diagnostics.Error((root[name] as ConfigObject ?? root).PositionOf(option), $"{name}: {option}: {message}");
        }
    }

    // What a section's values make somebody throw is an error at the section's place; null then.
    private T? Guarded<T>(string section, ConfigObject root, Func<T> make)
        where T : class
    {
        try
        {
            return make();
        }
        catch (Exception e)
        {
            _diagnostics.Error(root.PositionOf(section), $"{section}: it cannot be created: {ConfigurationFault.Of(e)}");
            return null;
        }
    }

    private Lazy<IDnsResolver> Dns(DnsOptions options, ConfigObject root, ServerConnections connections)
    {
        if (_environment.Dns is { } given)
        {
            return new Lazy<IDnsResolver>(given);
        }

        if (options.Check() is var (option, message))
        {
            _diagnostics.Error((root["dns"] as ConfigObject ?? root).PositionOf(option), $"dns: {option}: {message}");
            return new Lazy<IDnsResolver>(
                () => new DnsResolver(new DnsOptions(), _environment.Clock, _environment.LoggerFactory.CreateLogger<DnsResolver>()));
        }

        if (_environment.Former is { } former && SectionText.AreSame(former.Section["dns"], root["dns"]))
        {
            return former.Resources.LazyDns;
        }

        var logger = _environment.LoggerFactory.CreateLogger<DnsResolver>();
        return new Lazy<IDnsResolver>(() => connections.Own(new DnsResolver(options, _environment.SourceClock, logger)));
    }

    private List<PolicyEndpoint> Listeners(ServerOptions options, BoundAddresses bound, ConfigObject root)
    {
        var listeners = new List<PolicyEndpoint>();
        for (var index = 0; index < options.Listen.Count; index++)
        {
            var place = root["listen"] is ConfigArray array && index < array.Items.Count
                ? array.Items[index].Position
                : root.PositionOf("listen");
            if (!PolicyEndpoint.TryParse(options.Listen[index], out var endpoint, out var error))
            {
                _diagnostics.Error(place, $"listen: {error}");
            }
            else if (listeners.Contains(endpoint))
            {
                _diagnostics.Error(place, $"listen: {endpoint} is listed twice");
            }
            else
            {
                listeners.Add(endpoint);
                bound.Add("listen", place, endpoint);
            }
        }

        if (listeners.Count == 0 && !_diagnostics.HasErrors)
        {
            _diagnostics.Error(root.PositionOf("listen"), "listen: the list is empty");
        }

        return listeners;
    }

    // Also of the default of admin: the admin socket is bound first, and the policy socket would find it taken.
    private static void Others(ServerOptions options, BoundAddresses bound, ConfigObject root)
    {
        if (options.Admin.Endpoint(Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY")) is { } admin)
        {
            bound.Add("admin: listen", PlaceOf("admin"), admin);
        }

        if (options.Http?.Endpoint is { } http)
        {
            bound.Add("http: listen", PlaceOf("http"), http);
        }

        if (options.Cluster?.Listen is { Address: { } address } cluster)
        {
            bound.Add("cluster: listen", PlaceOf("cluster"), new IPEndPoint(address, cluster.Port));
        }

        SourcePosition PlaceOf(string section) => (root[section] as ConfigObject ?? root).PositionOf("listen");
    }

    private ModuleRegistry Modules(ServerOptions options, ConfigObject root)
    {
        var beside = Path.GetDirectoryName(root.Position.File) ?? "";
        for (var index = 0; index < options.PluginFolder.Count; index++)
        {
            var place = root["plugin_folder"] is ConfigArray array ? array.Items[index].Position : root.PositionOf("plugin_folder");
            _usedSets.AddRange(new PluginFolder(place, _diagnostics, _sets).Load(Path.Combine(beside, options.PluginFolder[index])));
        }

        var taken = new List<string>();
        var modules = _environment.Modules.With(_usedSets, taken);
        taken.ForEach(message => _diagnostics.Error(root.PositionOf("plugin_folder"), $"plugin_folder: {message}"));
        return modules;
    }

    private List<HostDraft> Hosts(ConfigObject root, BuildContext build, PluginResources resources, ActionChecker actions)
    {
        var hosts = new List<HostDraft>();
        switch (root["virtual_hosts"])
        {
            case ConfigArray array:
                foreach (var item in array.Items)
                {
                    if (item is ConfigObject section)
                    {
                        Host(section, hosts, build, resources, actions);
                    }
                    else
                    {
                        _diagnostics.Error(
                            item.Position, $"a virtual host must be an object {{ port, name, plugins }}, not {item.Describe()}");
                    }
                }

                break;
            case null:
                _diagnostics.Error(root.Position, "there is no virtual host; add virtual_hosts = [ { name, port, plugins } ]");
                break;
            case var other:
                _diagnostics.Error(other.Position, $"virtual_hosts: expected an array, found {other.Describe()}");
                break;
        }

        return hosts;
    }

    private void Host(ConfigObject section, List<HostDraft> hosts, BuildContext build, PluginResources resources, ActionChecker actions)
    {
        var options = new HostOptions();
        OptionBinder.Bind(options, section, _diagnostics, new BindingOptions { Subject = "virtual host", ConsumedElsewhere = ["plugins"] });
        var endpoints = new List<PolicyEndpoint>();
        var ports = new List<int>();
        foreach (var text in options.Port)
        {
            if (!VirtualHostDefinition.TryParseListener(text, endpoints, ports, out var error))
            {
                _diagnostics.Error(section.PositionOf("port"), $"port: {error}");
            }
        }

        var name = options.Name ?? (options.Port.Count > 0 ? options.Port[0] : "");
        if (hosts.Any(other => other.Name == name))
        {
            _diagnostics.Error(section.PositionOf("name"), $"there are two virtual hosts with the name \"{name}\"");
        }

        if (hosts.SelectMany(other => other.Ports)
            .Intersect(ports)
            .Any() || hosts.SelectMany(other => other.Endpoints).Intersect(endpoints).Any())
        {
            _diagnostics.Error(section.PositionOf("port"), $"the port of virtual host \"{name}\" already belongs to another virtual host");
        }

        var chain = new ChainBuilder(name, build, resources, actions).Build(section, keepsActions: false);
        hosts.Add(new HostDraft(name, chain ?? new PluginChain([]), options.Observe, endpoints, ports, section.Position));
    }

    private void Cross(List<PolicyEndpoint> listeners, List<HostDraft> hosts, ConfigObject root, ServerOptions options)
    {
        var definitions = hosts.Select(host => (host, Serves: new VirtualHostDefinition(null!, host.Endpoints, host.Ports))).ToList();
        foreach (var listener in listeners.Where(listener => !definitions.Any(one => one.Serves.Serves(listener))))
        {
            _diagnostics.Warning(
                root.PositionOf("listen"),
                listener.IsUnix
                    ? $"no virtual host has {listener} in its port, so requests on it get no answer; port may be a list: "
                        + $"port = [12345, \"{listener}\"]"
                    : $"no virtual host has the port of {listener}, so requests on it get no answer");
        }

        foreach (var (host, serves) in definitions.Where(one => !listeners.Any(one.Serves.Serves)))
        {
            if (!options.VhostByPolicyContext || serves.Ports.Count + serves.Endpoints.Count > 0)
            {
                // In mtpolicyd.conf a virtual host cannot be without a port, so one that only policy_context reaches has any number.
                _diagnostics.Warning(
                    host.Position,
                    $"nothing listens on the port of virtual host \"{host.Name}\""
                        + (options.VhostByPolicyContext ? $"; only requests with policy_context={host.Name} reach it" : ""));
            }
        }
    }

    private sealed record HostDraft(
        string Name,
        PluginChain Chain,
        bool Observes,
        IReadOnlyList<PolicyEndpoint> Endpoints,
        IReadOnlyList<int> Ports,
        SourcePosition Position);

    private sealed class HostOptions
    {
        public string? Name { get; set; }

        public IReadOnlyList<string> Port { get; set; } = [];

        public bool Observe { get; set; }
    }
}
