using System.Diagnostics;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Writing;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Counters;

/// <summary>
/// How long a writer or a loader has been waiting for the database. One that is only slow is told while it is, with what it was asked for,
/// and again when it has answered: the requests that wait meanwhile would be the only sign of it. The actor looks by a timer that runs
/// as long as it waits.
/// </summary>
internal sealed class StoreWatch(CounterWriterSettings settings, IWithTimers actor, ILogger logger)
{
    private readonly LogThrottle _lines = new(TimeProvider.System);
    private Func<string>? _doing;
    private long _since;
    private string? _told;

    /// <summary>For how long; nothing while nothing is waited for.</summary>
    public TimeSpan Waited => _doing is null ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_since);

    /// <summary>The database is asked for something new.</summary>
    /// <param name="doing">What, for the log; made only when it is needed.</param>
    public void Begin(Func<string> doing)
    {
        _doing = doing;
        _since = Stopwatch.GetTimestamp();
        if (!actor.Timers.IsTimerActive(Look.Instance))
        {
            actor.Timers.StartPeriodicTimer(Look.Instance, Look.Instance, settings.LookEvery);
        }
    }

    /// <summary>It has answered, or refused.</summary>
    public void End()
    {
        if (_told is { } told)
        {
            CounterLog.WasSlow(logger, settings.Connection, told, Waited.TotalSeconds);
            _told = null;
        }

        _doing = null;
    }

    /// <summary>Time to look. True when the wait is longer than a busy machine needs: then the database counts as away.</summary>
    public bool IsSilent()
    {
        if (_doing is null)
        {
            actor.Timers.Cancel(Look.Instance);
            return false;
        }

        if (_told is null && Waited >= settings.SlowAfter && _lines.Enter(out _))
        {
            _told = _doing();
            CounterLog.IsSlow(logger, settings.Connection, _told, Waited.TotalSeconds);
        }

        return Waited >= settings.AwayAfter;
    }

    /// <summary>Sent by the timer.</summary>
    public sealed class Look : INoSerializationVerificationNeeded
    {
        public static readonly Look Instance = new();
    }
}
