using Policyd.Plugins.Api;

namespace Policyd.Plugins.Sources;

// How long a module waits for its source: a part of what the plugin still has, so that a silent source is noticed by the module, which
// goes on, and not by the chain, for which a plugin past its deadline has failed.
internal static class SourceTime
{
    public static TimeoutToken For(PluginContext context, TimeSpan most) => TimeoutToken.For(Of(context.Remaining, most), context.Clock);

    public static TimeSpan Of(TimeSpan remaining, TimeSpan most) => TimeSpan.FromTicks(Math.Min(most.Ticks, remaining.Ticks / 4 * 3));
}
