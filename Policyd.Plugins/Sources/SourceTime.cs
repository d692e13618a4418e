using Policyd.Plugins.Api;

namespace Policyd.Plugins.Sources;

/// <summary>
/// How long a plugin waits for its source: three quarters of what it still has, so that a silent source is noticed by the plugin, which
/// goes on, and not by the chain, for which a plugin past its deadline has failed.
/// </summary>
public static class SourceTime
{
    /// <summary>A token that is cancelled when the wait is to end; to be disposed.</summary>
    /// <param name="context">The request.</param>
    /// <param name="most">The longest wait.</param>
    public static TimeoutToken For(PluginContext context, TimeSpan most) => TimeoutToken.For(Of(context.Remaining, most), context.Clock);

    /// <summary>How long to wait.</summary>
    /// <param name="remaining">What the plugin still has: <see cref="PluginContext.Remaining"/>.</param>
    /// <param name="most">The longest wait.</param>
    public static TimeSpan Of(TimeSpan remaining, TimeSpan most) => TimeSpan.FromTicks(Math.Min(most.Ticks, remaining.Ticks / 4 * 3));
}
