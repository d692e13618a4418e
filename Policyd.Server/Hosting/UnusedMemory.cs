using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Policyd.Actors.Server;

namespace Policyd.Server.Hosting;

/// <summary>
/// Gives memory back to the system once nobody asks any more: what the start has left behind, and later what a busy time has. A collector
/// that is not asked to allocate never runs, so an idle server would keep that for good: beside a mail server that has better uses for it.
/// </summary>
internal sealed partial class UnusedMemory(IPolicyServerHandle server) : BackgroundService
{
    /// <summary>Two seconds at least are between two calls of the runtime that free what its compiler keeps for its next method.</summary>
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(3);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var spell = new QuietSpell();
        var program = new ProgramPages();
        using var timer = new PeriodicTimer(s_period);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            // A node that no client asks may hold the counters of those that other nodes are asked for.
            var requests = server.Requests + server.CounterOperationsFromAfar;
            var (allocated, libraries) = (GC.GetTotalAllocatedBytes(), AppDomain.CurrentDomain.GetAssemblies().Length);
            if (spell.IsDue(requests, server.RequestsInFlight, server.Connections, allocated, libraries))
            {
                program.GiveBack();
                spell.Took(GiveBack());
            }
        }
    }

    // The pause grows with what is alive: 10 ms for an idle server, some 100 ms for one that holds ten thousand connections.
    private static TimeSpan GiveBack()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers(); // it is their thread that frees the compiler's memory
        if (OperatingSystem.IsLinux())
        {
            try
            {
                _ = Trim(0);
            }
            catch (EntryPointNotFoundException)
            {
                // Only glibc has it, and only glibc needs it.
            }
        }

        return GC.GetGCMemoryInfo(GCKind.FullBlocking).PauseDurations[0];
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint pad);
}
