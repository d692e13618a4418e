using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Bench.Load;

/// <summary>The state of a run, once a second.</summary>
/// <param name="Elapsed">Since the first request.</param>
/// <param name="Warming">The measured time has not begun.</param>
/// <param name="RequestsPerSecond">Over the last second.</param>
/// <param name="P99">Since the measurement, or the warm-up, began; in microseconds.</param>
/// <param name="Resident">The server's resident bytes, when its process was named.</param>
public sealed record LoadProgress(TimeSpan Elapsed, bool Warming, double RequestsPerSecond, double P99, long Errors, long? Resident);

/// <summary>
/// A closed loop: every connection has one request in flight and sends the next when its answer is there, as Postfix's
/// smtpd does. One thread drives all of them and allocates nothing for a request.
/// </summary>
public sealed class LoadGenerator : IDisposable
{
    private const int TickMilliseconds = 50;

    private readonly LoadOptions _options;
    private readonly Action<LoadProgress>? _progress;
    private readonly LoadConnection[] _connections;
    private readonly byte[] _expected;
    private readonly Random _random;
    private readonly Epoll _epoll = new();
    private readonly LoadTally _tally = new();
    private readonly ProcessMemory? _memory;

    private long _started;
    private long _measuringSince;
    private long _measuringUntil;
    private bool _warming;
    private bool _ending;
    private long _begun;
    private long _begunMeasured;
    private long _lastAnswerOrConnect;
    private long _nextTick;
    private long _lastProgress;
    private long _answersAtProgress;

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
        _progress = progress;
        _expected = Encoding.UTF8.GetBytes(options.Expect ?? string.Empty);
        _random = new Random(options.Seed);
        _memory = options.ServerPid is { } pid ? new ProcessMemory(pid) : null;
        var template = RequestTemplate.Compile(options.Attributes, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        _connections = new LoadConnection[options.Connections];
        for (var number = 0; number < _connections.Length; number++)
        {
            _connections[number] = new LoadConnection(number, template);
        }
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

        _memory?.Sample();
        _started = Stopwatch.GetTimestamp();
        (_lastProgress, _lastAnswerOrConnect, _nextTick) = (_started, _started, _started);
        _warming = _options.Warmup > TimeSpan.Zero;
        StartMeasuring(_started);
        foreach (var connection in _connections)
        {
            BeginNext(connection, _started);
        }

        while (!cancellation.IsCancellationRequested && (!_ending || _connections.Any(connection => connection.InFlight && connection.Measured)))
        {
            var ready = _epoll.Wait(TickMilliseconds);
            for (var index = 0; index < ready; index++)
            {
                Serve(_connections[_epoll.Tag(index)]);
            }

            Tick(Stopwatch.GetTimestamp());
        }

        return Report();
    }

    public void Dispose()
    {
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        _epoll.Dispose();
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

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
        if (!connection.Action.StartsWith(_expected))
        {
            _tally.Unexpected(connection.Action);
        }

        // A request of the warm-up that is answered later says nothing about the measured time, nor one answered after it.
        if (connection.Measured == !_warming && now <= _measuringUntil)
        {
            _tally.Answered(connection.Begun, now);
        }

        _lastAnswerOrConnect = now;
        connection.End();
        BeginNext(connection, now);
    }

    private void BeginNext(LoadConnection connection, long now)
    {
        if (_warming && now - _started >= Ticks(_options.Warmup))
        {
            StartMeasuringAfterWarmup(now);
        }

        _ending |= !_warming && (now >= _measuringUntil || _begunMeasured >= _options.Requests);
        if (_ending)
        {
            return;
        }

        var key = _options.KeyOrder == KeyOrder.RoundRobin ? (int)(_begun % _options.Keys) : _random.Next(_options.Keys);
        connection.Begin(key, _begun++, _options.RecipientsPerInstance, !_warming, now);
        _begunMeasured += _warming ? 0 : 1;
        Send(connection);
        if (connection.HasUnsent)
        {
            _epoll.WatchWritable(connection.Socket!, connection.Number, watch: true);
        }
    }

    private void StartMeasuringAfterWarmup(long now)
    {
        _warming = false;
        _tally.ForgetLatencies();
        _answersAtProgress = 0;
        _lastProgress = now;
        StartMeasuring(now);
    }

    private void StartMeasuring(long now)
    {
        _measuringSince = now;
        _measuringUntil = !_warming && _options.Duration is { } duration ? now + Ticks(duration) : long.MaxValue;
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
            if (connection.InFlight && now - connection.Begun > Ticks(_options.Timeout))
            {
                _tally.TimedOut();
                Drop(connection);
            }

            if (connection.Socket is null && !_ending)
            {
                TryConnect(connection);
            }
        }

        if (now - _lastProgress >= Stopwatch.Frequency)
        {
            ReportProgress(now);
        }

        // With every connection dead nothing comes back to notice the end of the time.
        _ending |= !_warming && (now >= _measuringUntil || _begunMeasured >= _options.Requests);
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
        BeginNext(connection, _lastAnswerOrConnect);
    }

    private void ReportProgress(long now)
    {
        _memory?.Sample();
        var rate = (_tally.Answers - _answersAtProgress) / Stopwatch.GetElapsedTime(_lastProgress, now).TotalSeconds;
        (_lastProgress, _answersAtProgress) = (now, _tally.Answers);
        _progress?.Invoke(new LoadProgress(
            Stopwatch.GetElapsedTime(_started, now), _warming, rate, _tally.Latencies.P99, _tally.Errors.Total, _memory?.Last));
    }

    private LoadReport Report()
    {
        var end = Math.Min(Stopwatch.GetTimestamp(), _measuringUntil);
        _memory?.Sample();
        return new LoadReport(
            _tally.Answers, Stopwatch.GetElapsedTime(_measuringSince, end).TotalSeconds, _tally.Latencies, _tally.Errors, _tally.FirstWrongAnswer, _memory?.Summarize());
    }
}
