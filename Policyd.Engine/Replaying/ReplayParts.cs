using System.Reflection;
using Policyd.Engine.Life;
using Policyd.Plugins.Api;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Fail2Ban;
using Policyd.Plugins.Smtp;

namespace Policyd.Engine.Replaying;

/// <summary>What takes the place of a server's parts that act on the world, or keep what mails have done.</summary>
/// <param name="Stores">Tickets, traps and whitelists.</param>
/// <param name="Verifiers">What asks mail servers.</param>
/// <param name="Fail2Ban">What bans.</param>
/// <param name="IsOffline">Whether lookups find nobody.</param>
internal sealed record ReplayParts(IExpiringStores Stores, IMailVerifiers Verifiers, IFail2Ban Fail2Ban, bool IsOffline)
{
    /// <summary>
    /// Whether nothing of the plugin is seen outside: it has no side effects, or only such as these parts take. What has not declared its
    /// side effects is not trusted, and what starts something of its own is not started here.
    /// </summary>
    public bool MayRun(Plugin plugin)
    {
        var module = plugin.GetType();
        return module.GetCustomAttribute<SideEffectsAttribute>() is { } declared
            && (declared.Effects.Count == 0 || module.IsDefined(typeof(ActsThroughServerAttribute), inherit: false))
            && !PluginCall.Overrides(plugin, nameof(Plugin.StartAsync))
            && !(IsOffline && module.IsDefined(typeof(AsksByItselfAttribute), inherit: false));
    }
}
