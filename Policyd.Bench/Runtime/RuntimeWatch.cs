using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;
using Microsoft.Diagnostics.Tracing.Parsers;
using Microsoft.Diagnostics.Tracing.Parsers.Clr;

namespace Policyd.Bench.Runtime;

/// <summary>
/// Reads garbage, work items and collection pauses of another .NET process through its diagnostics port. A session costs the
/// process a little, so rates and processor time are measured without one.
/// </summary>
public sealed class RuntimeWatch : IAsyncDisposable
{
    private const string IntervalSeconds = "0.2";

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly RuntimeTally _tally = new();
    private readonly EventPipeSession _session;
    private readonly Task _reading;

    private RuntimeWatch(EventPipeSession session)
    {
        _session = session;
        _reading = Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>
    /// Opens a session and waits until it counts; null for a process without a .NET runtime, or with its port switched off.
    /// </summary>
    /// <exception cref="TimeoutException">The runtime reports nothing.</exception>
    public static async Task<RuntimeWatch?> StartAsync(int pid, CancellationToken cancellation)
    {
        EventPipeProvider[] providers =
        [
            new(
                "System.Runtime",
                EventLevel.Informational,
                0,
                new Dictionary<string, string> { ["EventCounterIntervalSec"] = IntervalSeconds }),
            new(ClrTraceEventParser.ProviderName, EventLevel.Informational, (long)ClrTraceEventParser.Keywords.GC),
        ];
        EventPipeSession session;
        try
        {
            session = await DiagnosticsPort.OpenAsync(pid, providers, cancellation).ConfigureAwait(false);
        }
        catch (ServerNotAvailableException)
        {
            return null;
        }

        var watch = new RuntimeWatch(session);
        try
        {
            _ = await watch.TakeAsync(cancellation).ConfigureAwait(false);
            return watch;
        }
        catch
        {
            await watch.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What was counted since the last call, up to now: waits for the next report of the counters.</summary>
    /// <exception cref="TimeoutException">None came.</exception>
    public async Task<RuntimeFigures> TakeAsync(CancellationToken cancellation)
    {
        var now = DateTime.UtcNow;
        while (!_tally.Covers(now))
        {
            if (DateTime.UtcNow - now > LongestWait || _reading.IsCompleted)
            {
                throw new TimeoutException("The server's runtime reports no counters.");
            }

            await Task.Delay(LookAgain, cancellation).ConfigureAwait(false);
        }

        return _tally.Take();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            using var limit = new CancellationTokenSource(LongestWait);
            await _session.StopAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception reason) when (reason is ServerNotAvailableException or OperationCanceledException or IOException)
        {
            // The process has ended, and its session with it.
        }

        _session.Dispose();
        await _reading.ConfigureAwait(false);
    }

    private static bool IsForCollection(GCSuspendEETraceData suspension) =>
        suspension.Reason is GCSuspendEEReason.SuspendForGC or GCSuspendEEReason.SuspendForGCPrep;

    private void Read()
    {
        try
        {
            using var source = new EventPipeEventSource(_session.EventStream);
            source.Clr.GCSuspendEEStart += suspension =>
            {
                if (IsForCollection(suspension))
                {
                    _tally.Suspend(suspension.TimeStampRelativeMSec);
                }
            };
            source.Clr.GCRestartEEStop += restart => _tally.Resume(restart.TimeStampRelativeMSec);
            source.Dynamic.All += Count;
            source.Process();
        }
        catch (Exception reason) when (reason is IOException or ObjectDisposedException or FormatException or EndOfStreamException)
        {
            // The process ended in the middle of the stream; whoever waits for a report is told by TakeAsync.
        }
    }

    private void Count(TraceEvent report)
    {
        if (report.EventName == "EventCounters"
            && report.PayloadValue(0) is IDictionary<string, object> outer
            && outer["Payload"] is IDictionary<string, object> counter
            && counter.TryGetValue("Increment", out var increment))
        {
            var grown = Convert.ToDouble(increment, CultureInfo.InvariantCulture);
            _tally.Count((string)counter["Name"], grown, report.TimeStamp.ToUniversalTime());
        }
    }
}
