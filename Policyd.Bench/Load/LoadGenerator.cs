using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>
/// A closed loop: every connection has one request in flight and sends the next when its answer is there, as Postfix's
/// smtpd does. With a rate it is an open loop: each request has its time, and the next free connection carries it. One thread
/// drives all connections and allocates nothing for a request.
/// </summary>
public sealed class LoadGenerator : IDisposable
{
    private const int TickMilliseconds = 50;

    // What is due at the end of the measured time and still waits for a connection gets so long.
    private static readonly TimeSpan UnsentGrace = TimeSpan.FromSeconds(1);

    private readonly LoadOptions _options;
    private readonly LoadProgressTeller _progress;
    private readonly LoadConnection[] _connections;
    private readonly byte[] _expected;
    private readonly KeySequence _keys;
    private readonly Epoll _epoll = new();
    private readonly LoadTally _tally = new();
    private readonly ServerWatch? _server;
    private readonly LoadPhases _phases;

    private RateQueue? _due;
    private long _begun;
    private long _lastAnswerOrConnect;
    private long _nextTick;

    /// <exception cref="ArgumentException">Neither a duration nor a number of requests.</exception>
    /// <exception cref="FormatException">An attribute that cannot be sent.</exception>
    public LoadGenerator(LoadOptions options, Action<LoadProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Duration is null && options.Requests is null)
        {
            throw new ArgumentException("A run needs an end: a duration or a number of requests.", nameof(options));
        }

        _options = options;
        _expected = Encoding.UTF8.GetBytes(options.Expect ?? string.Empty);
        _keys = new KeySequence(options);
        _server = options.ServerPid is { } pid ? new ServerWatch(pid) : null;
        _phases = new LoadPhases(options);
        _progress = new LoadProgressTeller(options.ProgressInterval, _tally, _server, progress);
        var now = DateTimeOffset.UtcNow;
        var template = RequestTemplate.Compile(options.Attributes, now.ToUnixTimeSeconds());
        // The number of a mail begins at the microsecond of the start: a run that follows within the same second repeats no instance.
        var firstMail = now.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond;
        _connections = [.. Enumerable.Range(0, options.Connections).Select(number => new LoadConnection(number, template, firstMail))];
    }

    /// <summary>Runs to the end, or until cancelled; then reports what was measured so far.</summary>
    /// <exception cref="SocketException">The server takes no connection at the start, or none for the time-out's length later.</exception>
    public LoadReport Run(CancellationToken cancellation)
    {
        foreach (var connection in _connections)
        {
            connection.Connect(_options.Endpoint);
            _epoll.Add(connection.Socket!, connection.Number);
        }

        Start(Stopwatch.GetTimestamp());
        while (!cancellation.IsCancellationRequested
            && (!_phases.Ending || _connections.Any(connection => connection.InFlight)))
        {
            var ready = Wait();
            for (var index = 0; index < ready; index++)
            {
                Serve(_connections[_epoll.Tag(index)]);
            }

            var now = Stopwatch.GetTimestamp();
            SendDue(now);
            Tick(now);
        }

        return Report();
    }

    public void Dispose()
    {
        Array.ForEach(_connections, connection => connection.Dispose());
        _epoll.Dispose();
    }

    private void Start(long now)
    {
        _server?.SampleMemory();
        _server?.StartMeasuring();
        _phases.Start(now);
        (_lastAnswerOrConnect, _nextTick) = (now, now);
        _progress.Restart(now);
        _due = _options.Rate is { } rate ? new RateQueue(new RateSchedule(rate, now, Stopwatch.Frequency)) : null;
        foreach (var connection in _connections)
        {
            Next(connection, now);
        }

        SendDue(now);
    }

    private int Wait() =>
        _due is { HasWaiting: true } && !_phases.Ending ? _epoll.Wait(_due.UntilNext(_nextTick)) : _epoll.Wait(TickMilliseconds);

    // In a closed loop the next request goes out at once; at a rate the connection waits for one that is due.
    private void Next(LoadConnection connection, long now)
    {
        if (_due is null)
        {
            Begin(connection, now, now);
        }
        else
        {
            _due.Add(connection);
        }
    }

    private void SendDue(long now)
    {
        if (_due is null)
        {
            return;
        }

        EndIfDue(Math.Min(_due.Schedule.Next, now));
        while (!_phases.Ending && _due.TryTake(now, out var due) is { } connection)
        {
            Begin(connection, due, now);
            EndIfDue(Math.Min(_due.Schedule.Next, now));
        }
    }

    private void Serve(LoadConnection connection)
    {
        if (connection.Socket is null)
        {
            return;
        }

        if (connection.HasUnsent)
        {
            Send(connection);
            if (connection.Socket is null)
            {
                return;
            }

            _epoll.WatchWritable(connection.Socket, connection.Number, connection.HasUnsent);
        }

        switch (connection.Receive())
        {
            case ReplyStatus.Complete:
                Answered(connection, Stopwatch.GetTimestamp());
                break;
            case ReplyStatus.Malformed:
                _tally.Malformed(connection.Received);
                Drop(connection);
                break;
            case ReplyStatus.Closed:
                _tally.Closed();
                Drop(connection);
                break;
        }
    }

    private void Answered(LoadConnection connection, long now)
    {
        if (connection.Action.StartsWith(_expected))
        {
            _tally.Accepted();
        }
        else
        {
            _tally.Unexpected(connection.Action);
        }

        // A request of the warm-up that is answered later says nothing about the measured time, nor does, in a closed loop, one
        // answered after it. At a rate a late answer counts: it is the slow ones that come late.
        if (connection.Measured == !_phases.Warming && (_due is not null || now <= _phases.MeasuringUntil))
        {
            _tally.Answered(connection.Begun, now);
        }

        _lastAnswerOrConnect = now;
        connection.End();
        Next(connection, now);
    }

    private void Begin(LoadConnection connection, long begun, long now)
    {
        if (_phases.EndWarmupIfDue(begun))
        {
            _tally.ForgetLatencies();
            _server?.StartMeasuring();
            _progress.Restart(now);
        }

        EndIfDue(begun);
        if (_phases.Ending)
        {
            return;
        }

        _tally.Begun(connection.BeginsMail);
        connection.Begin(_keys.Next(_begun), _begun++, _options.RecipientsPerInstance, !_phases.Warming, begun, now);
        _phases.Began();
        Send(connection);
        if (connection.HasUnsent)
        {
            _epoll.WatchWritable(connection.Socket!, connection.Number, watch: true);
        }
    }

    private void EndIfDue(long now)
    {
        if (_phases.EndIfDue(now) && _options.Requests is null)
        {
            _server?.EndMeasuring();
        }
    }

    private void Send(LoadConnection connection)
    {
        if (!connection.TrySend())
        {
            _tally.Closed();
            Drop(connection);
        }
    }

    // The request that was in flight is lost and stays counted as begun, so a run of N requests ends even when all fail.
    private void Drop(LoadConnection connection)
    {
        if (connection.Socket is not null)
        {
            _epoll.Remove(connection.Socket);
        }

        connection.Break();
    }

    private void Tick(long now)
    {
        if (now < _nextTick)
        {
            return;
        }

        _nextTick = now + (TickMilliseconds * Stopwatch.Frequency / 1000);
        foreach (var connection in _connections)
        {
            if (connection.InFlight && now - connection.SentAt > LoadPhases.Ticks(_options.Timeout))
            {
                _tally.TimedOut();
                Drop(connection);
            }

            if (connection.Socket is null && !_phases.Ending)
            {
                TryConnect(connection);
            }
        }

        _progress.TellIfDue(_phases, now);
        // With every connection dead nothing comes back to notice the end of the time.
        EndIfDue(_due is null ? now : now - LoadPhases.Ticks(UnsentGrace));
    }

    private void TryConnect(LoadConnection connection)
    {
        try
        {
            connection.Connect(_options.Endpoint);
        }
        catch (SocketException) when (Stopwatch.GetElapsedTime(_lastAnswerOrConnect) < _options.Timeout)
        {
            _tally.Refused();
            return;
        }

        _epoll.Add(connection.Socket!, connection.Number);
        _lastAnswerOrConnect = Stopwatch.GetTimestamp();
        Next(connection, _lastAnswerOrConnect);
    }

    private LoadReport Report()
    {
        var end = Math.Min(Stopwatch.GetTimestamp(), _phases.MeasuringUntil);
        if (_due is not null && _options.Duration is not null)
        {
            _tally.Unsent(_due.Schedule.CountUntaken(end));
        }

        _server?.SampleMemory();
        var seconds = Stopwatch.GetElapsedTime(_phases.MeasuringSince, end).TotalSeconds;
        return new LoadReport(
            _tally.Answers,
            seconds,
            _tally.Latencies,
            _tally.Errors,
            _tally.FirstWrongAnswer,
            _server?.Memory(),
            _server?.ProcessorSeconds(),
            _tally.Asked);
    }
}
