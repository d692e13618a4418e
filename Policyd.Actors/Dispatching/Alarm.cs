using System.Diagnostics;

namespace Policyd.Actors.Dispatching;

/// <summary>
/// Calls after some milliseconds, from a thread of its own, which is made when it is first set. It is for what is set again and again
/// before it is due: no thread is woken for that. A timer of .NET wakes its own thread and two of the pool each time.
/// </summary>
/// <param name="name">Of the thread.</param>
/// <param name="call">What to do; it throws nothing and takes no time.</param>
internal sealed class Alarm(string name, Action call) : IDisposable
{
    private readonly object _lock = new();
    private Thread? _thread;
    private long _due = long.MaxValue;
    private long _sleepsUntil;
    private bool _isEnded;

    /// <summary>Calls once after so long, to the millisecond above, and not at the time that was set before.</summary>
    public void Set(TimeSpan wait)
    {
        lock (_lock)
        {
            _due = Stopwatch.GetTimestamp() + (long)(wait.TotalSeconds * Stopwatch.Frequency);
            if (_thread is null)
            {
                _thread = new Thread(Loop) { IsBackground = true, Name = name };
                _thread.Start();
            }
            else if (_due < _sleepsUntil)
            {
                Monitor.Pulse(_lock);
            }
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
                // Asleep until the time that is set now. One that is set meanwhile and is later is looked at then.
                _sleepsUntil = _due;
                Monitor.Wait(_lock, _due == long.MaxValue ? Timeout.Infinite : MillisecondsUntil(_due));
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
