using System.Diagnostics.Tracing;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;
using Microsoft.Diagnostics.Tracing.Parsers;
using Microsoft.Diagnostics.Tracing.Parsers.Clr;

namespace Policyd.Bench.Runtime;

/// <summary>
/// How much of its heap another .NET process really uses. A session with the keyword that asks for a heap collection makes the
/// runtime collect everything once, and the collection tells what is left.
/// </summary>
public static class HeapSize
{
    private static readonly TimeSpan LongestCollection = TimeSpan.FromSeconds(60);

    /// <summary>Bytes that survive a full collection.</summary>
    /// <exception cref="InvalidOperationException">It is no .NET process, or its diagnostics port is off.</exception>
    /// <exception cref="TimeoutException">It does not tell the end of a collection.</exception>
    public static async Task<long> ReadAsync(int pid, CancellationToken cancellation)
    {
        const long Keywords = (long)(ClrTraceEventParser.Keywords.GC | ClrTraceEventParser.Keywords.GCHeapCollect);
        EventPipeProvider[] providers = [new(ClrTraceEventParser.ProviderName, EventLevel.Informational, Keywords)];
        try
        {
            using var session = await DiagnosticsPort.OpenAsync(pid, providers, cancellation).ConfigureAwait(false);
            var size = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            var reading = Task.Factory.StartNew(
                () => Read(session, size), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                return await size.Task.WaitAsync(LongestCollection, cancellation).ConfigureAwait(false);
            }
            finally
            {
                using var limit = new CancellationTokenSource(LongestCollection);
                await session.StopAsync(limit.Token).ConfigureAwait(false);
                await reading.ConfigureAwait(false);
            }
        }
        catch (ServerNotAvailableException reason)
        {
            throw new InvalidOperationException($"The heap of process {pid} cannot be read: {reason.Message}", reason);
        }
    }

    private static void Read(EventPipeSession session, TaskCompletionSource<long> size)
    {
        try
        {
            using var source = new EventPipeEventSource(session.EventStream);
            // A younger collection may end before: only the one that was asked for covers all generations.
            var full = false;
            source.Clr.GCStart += collection => full = collection.Depth == GC.MaxGeneration;
            source.Clr.GCHeapStats += heap => _ = full && size.TrySetResult(Survived(heap));
            source.Process();
            size.TrySetException(new TimeoutException("The runtime's session ended before a collection did."));
        }
        catch (Exception reason) when (reason is IOException or ObjectDisposedException or FormatException or EndOfStreamException)
        {
            size.TrySetException(new InvalidOperationException($"The heap's size was not told: {reason.Message}", reason));
        }
    }

    // The size of a generation has the holes in it that the collection has left. What it has kept has none; of the pinned objects, which
    // are the fourth, .NET 10 was seen to tell nothing.
    private static long Survived(GCHeapStatsTraceData heap) =>
        heap.TotalPromotedSize0 + heap.TotalPromotedSize1 + heap.TotalPromotedSize2 + heap.TotalPromotedSize3 + heap.GenerationSize4;
}
