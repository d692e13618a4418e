using Policyd.Configuration.Tree;
using Policyd.Engine.Chain;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Reloading;

/// <summary>
/// Which plugins a server goes on with when it reads its configuration anew. A plugin of the new chains gives its place to the one of the
/// former chains at the same place when nothing that the plugin has read has changed: its options, its connections and files, and the
/// options of those plugins with which it has something in common. So it keeps what it remembers. A chain, and a virtual host, all of whose
/// plugins are kept is kept itself.
/// </summary>
/// <param name="former">The model that serves now.</param>
/// <param name="chains">What the new chains share.</param>
/// <param name="next">The plugins of the new chains.</param>
internal sealed class KeptPlugins(PolicyServerModel former, ChainEnvironment chains, PluginResources next)
{
    private readonly Dictionary<Plugin, PlacedPlugin> _formerPlaces = former.Resources.Placed.ToDictionary(placed => placed.Plugin);
    private readonly Dictionary<Plugin, int> _nextPlaces =
        next.Placed.Select((placed, index) => (placed.Plugin, index)).ToDictionary(one => one.Plugin, one => one.index);

    private readonly Dictionary<string, string> _formerShares = SharesOf(former.Resources.Placed);
    private readonly Dictionary<string, string> _nextShares = SharesOf(next.Placed);
    private readonly List<Plugin> _unused = [];

    /// <summary>The new plugins that are not needed, since former ones are kept in their places.</summary>
    public IReadOnlyList<Plugin> Unused => _unused;

    /// <summary>The virtual host: the former one, or a new one with the plugins of it that are kept; null for one that is new.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="chain">Its new chain.</param>
    /// <param name="observes">Whether it only observes.</param>
    public VirtualHost? HostOf(string name, PluginChain chain, bool observes)
    {
        // What an action may be is told to a plugin once: with another grammar none is kept.
        if (!ReferenceEquals(chains, former.Chains) || former.VirtualHosts.FirstOrDefault(host => host.Name == name) is not { } before)
        {
            return null;
        }

        var kept = Keep(chain, before.Chain);
        return ReferenceEquals(kept, before.Chain) && before.Observes == observes
            ? before
            : new VirtualHost(name, kept, chains, observes);
    }

    // From the end, since a Quota asks for those behind it: it is kept only with the same followers.
    private PluginChain Keep(PluginChain chain, PluginChain before)
    {
        var plugins = chain.Plugins.ToArray();
        var candidates = before.Plugins.ToList();
        for (var index = plugins.Length - 1; index >= 0; index--)
        {
            var plugin = plugins[index];
            var candidate = candidates.FindLast(one => one.Name == plugin.Name && one.GetType() == plugin.GetType());
            if (candidate is null)
            {
                continue;
            }

            candidates.Remove(candidate);
            if (KeepNested(plugin, candidate) && IsSame(plugin, candidate) && HasSameFollowers(candidate, before, plugins, index))
            {
                plugins[index] = candidate;
                _unused.Add(plugin);
                next.Placed[_nextPlaces[plugin]] = next.Placed[_nextPlaces[plugin]] with { Plugin = candidate };
            }
        }

        return plugins.SequenceEqual(before.Plugins) ? before : chain.With(plugins);
    }

    /// <summary>Keeps what is nested in a plugin; true when all of it is as it was.</summary>
    private bool KeepNested(Plugin plugin, Plugin candidate)
    {
        if (plugin is not INestedChain { Plugins: PluginChain nested } nesting)
        {
            return candidate is not INestedChain { Plugins: not null };
        }

        if (candidate is not INestedChain { Plugins: PluginChain before })
        {
            return false;
        }

        nesting.Plugins = Keep(nested, before);
        return ReferenceEquals(nesting.Plugins, before);
    }

    private bool IsSame(Plugin plugin, Plugin candidate)
    {
        var (now, then) = (next.Placed[_nextPlaces[plugin]], _formerPlaces[candidate]);
        return OptionsOf(now) == OptionsOf(then)
            && now.Needs.Connections.All(name => next.Opened.Shares(name, former.ServerConnections))
            && (!now.Needs.UsesDns || ReferenceEquals(next.LazyDns, former.Resources.LazyDns))
            && now.Needs.Shares.All(what => _nextShares[what] == _formerShares.GetValueOrDefault(what))
            && now.Needs.HasFilesOf(then.Needs);
    }

    private static bool HasSameFollowers(Plugin candidate, PluginChain before, Plugin[] plugins, int index) =>
        candidate is not IAsksForFollowers
        || Followers(plugins, index).SequenceEqual(Followers(before.Plugins, before.Plugins.ToList().IndexOf(candidate)));

    private static IEnumerable<Plugin> Followers(IReadOnlyList<Plugin> plugins, int index) =>
        plugins.Skip(index + 1).TakeWhile(static plugin => plugin is IAsksForFollowers);

    /// <summary>What plugins have in common, each with the options of those who have it.</summary>
    private static Dictionary<string, string> SharesOf(IEnumerable<PlacedPlugin> plugins) => plugins
        .SelectMany(static placed => placed.Needs.Shares.Select(what => (what, text: $"{placed.VirtualHost}\n{OptionsOf(placed)}")))
        .GroupBy(static one => one.what)
        .ToDictionary(static group => group.Key, static group => string.Join('\n', group.Select(static one => one.text)));

    // Without the nested chain, whose plugins are judged one by one.
    private static string OptionsOf(PlacedPlugin placed) => placed.Plugin is INestedChain
        ? SectionText.Of(new ConfigObject(placed.Section.Members.Where(static member => member.Key != "plugins"), placed.Section.Position))!
        : SectionText.Of(placed.Section)!;
}
