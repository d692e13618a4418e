using Policyd.Configuration.Tree;
using Policyd.Configuration.Values;
using Policyd.Engine.Model;
using Policyd.Plugins.Api;

namespace Policyd.Engine.Advice;

// All advice on a configuration without errors: each is a warning at its place and says what to do.
internal static class ServerAdvice
{
    public static void Check(
        ConfigObject root,
        ServerOptions options,
        PluginResources resources,
        IReadOnlyDictionary<string, ConnectionDefinition> connections,
        DiagnosticBag diagnostics)
    {
        if (options.RequestTimeout > ServerOptions.PostfixWaits)
        {
            diagnostics.Warning(
                root.PositionOf("request_timeout"),
                $"request_timeout: {DurationText.Format(options.RequestTimeout)} is longer than Postfix waits by default "
                    + $"(smtpd_policy_service_timeout, 100 s), so later answers are lost; use a shorter time");
        }

        resources.Results.Check(resources.Placed, diagnostics);
        AttributeNames.Check(resources.Placed, diagnostics);
        ActionPlaces.Check(resources.Placed, diagnostics);
        ActionPlaces.Check("on_error", options.OnError.Action, root, diagnostics);
        CounterAdvice.Check(resources.Placed, resources.Tables, diagnostics);
        ScoreAdvice.Check(resources.Placed, diagnostics);
        IdlePlugins.Check(resources.Placed, resources.Results, options.RequestTimeout, diagnostics);

        // Plugins of third parties may take a connection's options themselves.
        if (!resources.Placed.Exists(one => one.IsForeign))
        {
            foreach (var unused in connections.Values.Where(one => !resources.UsedConnections.Contains(one.Name)))
            {
                diagnostics.Warning(
                    unused.Section.Position, $"connection {unused.Name}: nothing uses it; refer to it in a plugin, or remove it");
            }
        }
    }
}
