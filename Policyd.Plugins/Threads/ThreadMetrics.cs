using System.Diagnostics.Metrics;
using Policyd.Plugins.Metrics;

namespace Policyd.Plugins.Threads;

/// <summary>What is measured of plugins that hold threads.</summary>
internal static class ThreadMetrics
{
    public static readonly Counter<long> Blocked = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.plugin.blocked", "{run}", "Times that a plugin held its thread for 0.1 s or longer.");
}
