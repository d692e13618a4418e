// Between the request path and the disk stands one bounded queue: a log that cannot keep up loses lines and says how
// many, instead of slowing the answers down or growing the heap.

using System.Globalization;

namespace Policyd.Server.Logging;

/// <summary>Where lines go. Called by one thread only, in batches.</summary>
internal interface ILogSink : IDisposable
{
    void Write(ReadOnlySpan<LogEvent> batch);

    /// <summary>A log file was rotated: open its name anew. Called by the same thread as <see cref="Write"/>.</summary>
    void Reopen();
}

/// <summary>The bounded queue and its one writer. Producers fill one buffer while the writer empties the other.</summary>
internal sealed class LogQueue : IDisposable
{
    // A wake-up and a write cost some ten times what a line does. Lines of so much time share them; nobody reads a log faster.
    private static readonly TimeSpan s_gathering = TimeSpan.FromMilliseconds(5);

    private readonly Lock _gate = new();
    private readonly AutoResetEvent _work = new(false);
    private readonly IReadOnlyList<ILogSink> _sinks;
    private readonly long[] _lost;
    private readonly Thread _writer;
    private readonly TimeProvider _clock;
    private readonly long _mostBytes;
    private LogEvent[] _filling;
    private LogEvent[] _writing;
    private int _count;
    private long _bytes;
    private long _dropped;
    private long _droppedEver;
    private bool _reopen;
    private bool _closing;
    private bool _isAsleep = true;

    /// <param name="sinks">Where the lines go.</param>
    /// <param name="capacity">How many lines may wait.</param>
    /// <param name="clock">The time of the queue's own lines.</param>
    /// <param name="mostBytes">How much memory the lines that wait may keep in use: with their requests some could be large.</param>
    public LogQueue(IReadOnlyList<ILogSink> sinks, int capacity = 16384, TimeProvider? clock = null, long mostBytes = 32 << 20)
    {
        _sinks = sinks;
        _lost = new long[sinks.Count];
        _mostBytes = mostBytes;
        _clock = clock ?? TimeProvider.System;
        _filling = new LogEvent[capacity];
        _writing = new LogEvent[capacity];
        _writer = new Thread(Run) { IsBackground = true, Name = "log writer" };
        _writer.Start();
    }

    /// <summary>How many lines were dropped since the start.</summary>
    public long Dropped
    {
        get
        {
            lock (_gate)
            {
                return _droppedEver;
            }
        }
    }

    /// <summary>Takes a lock for an array store; never waits for a sink. Past the capacity the line is dropped and counted.</summary>
    public void Write(LogEvent line)
    {
        bool wake;
        var weight = line.Weight;
        lock (_gate)
        {
            (wake, _isAsleep) = (_isAsleep, false);
            if (!TryAdd(line, weight))
            {
                _dropped++;
                _droppedEver++;
                line.Written();
            }
        }

        if (wake)
        {
            _work.Set();
        }
    }

    public void Reopen()
    {
        lock (_gate)
        {
            _reopen = true;
        }

        _work.Set();
    }

    /// <summary>Writes what is queued, waiting at most two seconds for a sink that hangs.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_closing)
            {
                return;
            }

            _closing = true;
        }

        _work.Set();
        if (!_writer.Join(TimeSpan.FromSeconds(2)))
        {
            return;
        }

        foreach (var sink in _sinks)
        {
            sink.Dispose();
        }

        _work.Dispose();
    }

    private static bool IsOfSink(Exception failure) => failure is IOException or UnauthorizedAccessException
        or System.Net.Sockets.SocketException or ObjectDisposedException;

    private void Run()
    {
        var goesOn = false;
        while (true)
        {
            if (!goesOn)
            {
                _work.WaitOne();
            }

            if (!Volatile.Read(ref _closing))
            {
                Thread.Sleep(s_gathering);
            }

            goesOn = false;
            while (TakeBatch(goesOn, out var count, out var dropped, out var reopen, out var closing))
            {
                // After several lines more are to come soon, most likely: they are not to wake this thread.
                goesOn |= count > 1;
                if (reopen)
                {
                    ReopenEach();
                }

                if (count > 0)
                {
                    WriteToEach(_writing.AsSpan(0, count));
                }

                if (dropped > 0)
                {
                    WriteToEach([DroppedLine(dropped)]);
                }

                foreach (ref readonly var line in _writing.AsSpan(0, count))
                {
                    line.Written();
                }

                Array.Clear(_writing, 0, count);
                if (closing && count == 0)
                {
                    return;
                }
            }
        }
    }

    private bool TryAdd(in LogEvent line, int weight)
    {
        if (_closing || _count == _filling.Length || _bytes + weight > _mostBytes)
        {
            return false;
        }

        _filling[_count++] = line;
        _bytes += weight;
        return true;
    }

    private bool TakeBatch(bool goesOn, out int count, out long dropped, out bool reopen, out bool closing)
    {
        lock (_gate)
        {
            (_filling, _writing) = (_writing, _filling);
            (count, _count) = (_count, 0);
            _bytes = 0;
            (dropped, _dropped) = (_dropped, 0);
            (reopen, _reopen) = (_reopen, false);
            closing = _closing;
            var isSomething = count > 0 || dropped > 0 || reopen || closing;
            _isAsleep = !isSomething && !goesOn;
            return isSomething;
        }
    }

    private LogEvent DroppedLine(long dropped) => new(
        _clock.GetLocalNow(),
        LogSeverity.Warning,
        string.Create(CultureInfo.InvariantCulture, $"log: {dropped} lines were dropped because the log could not keep up"));

    private LogEvent LostLine(long lost) => new(
        _clock.GetLocalNow(),
        LogSeverity.Warning,
        string.Create(CultureInfo.InvariantCulture, $"log: {lost} lines were lost because they could not be written"));

    // One sink's failure (a full disk, a closed pipe) must neither end the writer nor keep the others from their lines. Nobody can be told
    // meanwhile: the sink itself tells, once it works again.
    private void WriteToEach(ReadOnlySpan<LogEvent> batch)
    {
        for (var i = 0; i < _lost.Length; i++)
        {
            try
            {
                if (_lost[i] > 0)
                {
                    _sinks[i].Write([LostLine(_lost[i])]);
                    _lost[i] = 0;
                }

                _sinks[i].Write(batch);
            }
            catch (Exception failure) when (IsOfSink(failure))
            {
                _lost[i] += batch.Length;
            }
        }
    }

    private void ReopenEach()
    {
        foreach (var sink in _sinks)
        {
            try
            {
                sink.Reopen();
            }
            catch (Exception failure) when (IsOfSink(failure))
            {
                continue;
            }
        }
    }
}
