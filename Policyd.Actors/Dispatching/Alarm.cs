using System.Diagnostics;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// Calls after some milliseconds, from a thread of its own, which is made when it is first set. It is for what is set again and again,
/// mostly before it is due: its thread then wakes now and then, and nobody wakes it. A timer of .NET wakes its own thread and two of the
/// pool each time.
/// </summary>
/// <param name="name">Of the thread.</param>
/// <param name="call">What to do; it throws nothing and takes no time.</param>
internal sealed class Alarm(string name, Action call) : IDisposable
{
    private readonly object _lock = new();
    private long _due = long.MaxValue;
    private long _sleepsUntil;
    private long _wait;
    private bool _wasSet;
    private bool _isStarted;
    private bool _isEnded;

    /// <summary>Calls once after so long, to the millisecond above, and not at the time that was set before.</summary>
    public void Set(TimeSpan wait)
    {
        lock (_lock)
        {
            _wait = (long)(wait.TotalSeconds * Stopwatch.Frequency);
            (_due, _wasSet) = (Stopwatch.GetTimestamp() + _wait, true);
            if (!_isStarted)
            {
                // Without the context of the caller, who may be a request.
                new Thread(Loop) { IsBackground = true, Name = name }.UnsafeStart();
                _isStarted = true;
            }
            else if (_due < _sleepsUntil)
            {
                Monitor.Pulse(_lock);
            }
        }
    }

    /// <summary>Does not call at the time that is set.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _due = long.MaxValue;
        }
    }

    /// <summary>The thread ends.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isEnded = true;
            Monitor.Pulse(_lock);
        }
    }

    private void Loop()
    {
        while (WaitUntilDue())
        {
            call();
        }
    }

    private bool WaitUntilDue()
    {
        lock (_lock)
        {
            while (!_isEnded && Stopwatch.GetTimestamp() < _due)
            {
                // Asleep until the time that is set now. One that is set meanwhile and is later is looked at then. Where one was set and
                // cleared, the next comes soon, most likely: it is not to wake this thread.
                _sleepsUntil = _due == long.MaxValue && _wasSet ? Stopwatch.GetTimestamp() + _wait : _due;
                _wasSet = false;
                Monitor.Wait(_lock, _sleepsUntil == long.MaxValue ? Timeout.Infinite : MillisecondsUntil(_sleepsUntil));
            }

            (_due, _sleepsUntil) = (long.MaxValue, 0);
            return !_isEnded;
        }
    }

    private static int MillisecondsUntil(long due)
    {
        const long PerSecond = 1000;
        var left = due - Stopwatch.GetTimestamp();
        return (int)Math.Clamp(1 + left * PerSecond / Stopwatch.Frequency, 1, int.MaxValue);
    }
}
