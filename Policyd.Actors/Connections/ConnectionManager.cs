using System.Collections.Concurrent;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// Every open connection of the server: the bound on their number, the one timer that looks at their deadlines, and the
/// drain. Thread-safe; streams enter and leave it, nobody waits in it. Without connections the timer stands still: a server
/// that nobody asks takes no processor time.
/// </summary>
internal sealed class ConnectionManager : IDisposable
{
    /// <summary>How late a deadline may be noticed.</summary>
    public static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<ManagedConnection, bool> _connections = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Timer _timer;
    private readonly Lock _timerLock = new();
    private int _maximum;
    private int _count;
    private bool _isTicking;
    private bool _isDisposed;
    private volatile bool _draining;

    public ConnectionManager(int maximum)
    {
        Maximum = maximum;
        _timer = new Timer(static state => ((ConnectionManager)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How many connections there may be. Those that are open beyond a new bound stay.</summary>
    public int Maximum
    {
        get => Volatile.Read(ref _maximum);
        set => Volatile.Write(ref _maximum, value);
    }

    public int Count => Volatile.Read(ref _count);

    public bool IsDraining => _draining;

    /// <summary>Whether the timer runs. It ends at its first tick without a connection.</summary>
    public bool IsTicking
    {
        get
        {
            lock (_timerLock)
            {
                return _isTicking;
            }
        }
    }

    /// <summary>A place for a new connection, or null when the server is full or stops.</summary>
    /// <param name="listener">Where it came in.</param>
    public ManagedConnection? TryEnter(PolicyEndpoint listener)
    {
        if (_draining)
        {
            return null;
        }

        var count = Interlocked.Increment(ref _count);
        if (count > Maximum)
        {
            Interlocked.Decrement(ref _count);
            return null;
        }

        if (count == 1)
        {
            StartTicking();
        }

        var connection = new ManagedConnection(listener, Environment.TickCount64);
        _connections[connection] = true;
        return connection;
    }

    /// <summary>The connection is closed. Harmless when called twice.</summary>
    public void Leave(ManagedConnection connection)
    {
        if (_connections.TryRemove(connection, out _) && Interlocked.Decrement(ref _count) == 0 && _draining)
        {
            _empty.TrySetResult();
        }
    }

    /// <summary>Tells every connection to end; the task completes when the last one is gone.</summary>
    public Task DrainAsync()
    {
        _draining = true;
        if (Count == 0)
        {
            _empty.TrySetResult();
        }

        foreach (var (connection, _) in _connections)
        {
            connection.Drain();
        }

        return _empty.Task;
    }

    /// <summary>Tells the connections of listeners that are gone to end, each after the answer that it waits for.</summary>
    public void Drain(IReadOnlyCollection<PolicyEndpoint> listeners)
    {
        foreach (var (connection, _) in _connections)
        {
            if (listeners.Contains(connection.Listener))
            {
                connection.Drain();
            }
        }
    }

    public void Dispose()
    {
        lock (_timerLock)
        {
            _isDisposed = true;
            _isTicking = false;
            _timer.Dispose();
        }
    }

    // Whoever counts the first connection comes here after it has counted, and the timer is stopped only while the count is 0: one of the
    // two sees the other.
    private void StartTicking()
    {
        lock (_timerLock)
        {
            if (!_isTicking && !_isDisposed)
            {
                _isTicking = true;
                _timer.Change(Resolution, Resolution);
            }
        }
    }

    private void StopTicking()
    {
        lock (_timerLock)
        {
            if (Count == 0 && !_isDisposed)
            {
                _isTicking = false;
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Tick()
    {
        if (Count == 0)
        {
            StopTicking();
            return;
        }

        var now = Environment.TickCount64;
        foreach (var (connection, _) in _connections)
        {
            connection.Tick(now);
        }
    }
}
