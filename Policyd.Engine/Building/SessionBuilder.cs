using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Engine.Reloading;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Building;

// From the section "session_cache" to the store of sessions: none, this server's memory, or a connection whose module can keep them.
internal sealed class SessionBuilder(BuildContext build, PluginResources resources)
{
    private string? _connection;

    public ISessionStore Build(ConfigObject root)
    {
        // Made in any case: that checks the section.
        var store = Make(root["session_cache"]);
        return build.Environment.Former is { } former
            && SectionText.AreSame(former.Section["session_cache"], root["session_cache"])
            && (_connection is not { } name || resources.Opened.Shares(name, former.ServerConnections))
                ? former.Sessions
                : store;
    }

    private ISessionStore Make(ConfigNode? node)
    {
        var memory = new MemorySessionOptions();
        if (node is not ConfigObject section)
        {
            if (node is not null and not ConfigScalar { IsNull: true })
            {
                build.Diagnostics.Error(node.Position, $"session_cache: expected an object {{ module, … }}, found {node.Describe()}");
            }

            return memory.ToStore(build.Environment.Clock);
        }

        var module = (section["module"] as ConfigScalar)?.Text ?? "Memory";
        if (Is(module, "None"))
        {
            return new NoSessionStore();
        }

        var shared = build.Modules.Connections.Offering(typeof(ISessionStore), typeof(IValueCache));
        if (shared.Contains(module, StringComparer.OrdinalIgnoreCase))
        {
            var options = new CacheSessionOptions();
            Bind(options, section, shared);
            if (build.Environment.Replay is null)
            {
                return InConnection(module, options, section);
            }

            // In memory: those of the running server are not touched.
            memory.Expire = options.Expire;
        }
        else if (Is(module, "Memory"))
        {
            Bind(memory, section, []);
        }
        else
        {
            IReadOnlyList<string> known = ["None", "Memory", .. shared];
            build.Diagnostics.Error(
                section.PositionOf("module"),
                $"session_cache: unknown module \"{module}\"; known modules: {string.Join(", ", known.SkipLast(1))} and {known[^1]}");
        }

        return memory.ToStore(build.Environment.Clock);
    }

    // The option that names the connection is called as its module: redis = NAME.
    private ISessionStore InConnection(string module, CacheSessionOptions options, ConfigObject section)
    {
        var option = OptionOf(module);
        _connection = (section[option] as ConfigScalar)?.Text ?? option;
        resources.UsedConnections.Add(_connection);
        if (resources.Connections.TryGetValue(_connection, out var definition) && Is(definition.Module, module))
        {
            var store = resources.Opened.Find<ISessionStore>(_connection)
                ?? (resources.Opened.Find<IValueCache>(_connection) is { } cache ? new CacheSessionStore(cache, options.Expire) : null);
            if (store is not null)
            {
                return new FailOpenSessionStore(store, build.Environment.Clock, build.Environment.LoggerFactory.CreateLogger("Policyd"));
            }
        }

        build.Diagnostics.Error(
            section.PositionOf(option), $"session_cache: there is no connection \"{_connection}\" with module = {module}");
        return new NoSessionStore();
    }

    private void Bind(object options, ConfigObject section, IEnumerable<string> modules) => OptionBinder.Bind(
        options,
        section,
        build.Diagnostics,
        new BindingOptions { Subject = "session_cache", ConsumedElsewhere = ["module", .. modules.Select(OptionOf)] });

    private static string OptionOf(string module) => module.ToLowerInvariant();

    private static bool Is(string module, string name) => module.Equals(name, StringComparison.OrdinalIgnoreCase);
}
