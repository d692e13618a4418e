using Policyd.Engine.Chain;
using Policyd.Plugins.Api;
using Policyd.Plugins.Logging;

namespace Policyd.Engine.Life;

/// <summary>Runs the periodic work of a virtual host's plugins, one after the other.</summary>
internal static class PluginCron
{
    /// <summary>Runs the work of every plugin and of those nested in them; one that fails is logged and hinders no other.</summary>
    /// <param name="host">The virtual host.</param>
    /// <param name="cron">The tick.</param>
    /// <param name="timeout">How long one plugin may take.</param>
    /// <returns>How many plugins failed.</returns>
    public static async ValueTask<int> RunAsync(VirtualHost host, CronContext cron, TimeSpan timeout)
    {
        var turn = new CronTurn(cron, timeout);
        var failures = 0;
        foreach (var plugin in host.Chain.All.Where(static plugin => PluginCall.Overrides(plugin, nameof(Plugin.CronAsync))))
        {
            var own = cron with { Logger = new PluginLogger(cron.Logger, host.Name, plugin.Name) };
            var isDone = await turn.RunAsync(
                $"plugin {plugin.Name} ({host.Name})",
                plugin.Name,
                plugin.CronRun,
                ct => plugin.CronRun = PluginCall.Begin(() => plugin.CronAsync(own with { Cancellation = ct }))).ConfigureAwait(false);
            failures += isDone ? 0 : 1;
        }

        return failures;
    }
}
