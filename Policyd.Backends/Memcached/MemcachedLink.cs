using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net.Sockets;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Backends.Memcached;

/// <summary>
/// One connection to a server. Commands of many callers stand behind each other on it, and answers come in their order. The first
/// answer that is wrong breaks the connection: nothing after it could be trusted to belong to its command.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Break disposes its stream, and every link ends by it.")]
internal sealed class MemcachedLink
{
    private const int MostPending = 4096;
    private const int MostUnsentBytes = 16 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<Pending> _pending = new();
    private readonly NetworkStream _stream;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _clock;
    private readonly Action<MemcachedLink, CacheException, bool> _onBroken;
    private ArrayBufferWriter<byte> _unsent = new();
    private ArrayBufferWriter<byte> _sending = new();
    private CacheException? _broken;
    private bool _isSending;
    private uint _opaque;

    private MemcachedLink(Socket socket, TimeSpan timeout, TimeProvider clock, Action<MemcachedLink, CacheException, bool> onBroken)
    {
        _stream = new NetworkStream(socket, ownsSocket: true);
        (_timeout, _clock, _onBroken) = (timeout, clock, onBroken);
    }

    public bool IsBroken
    {
        get
        {
            lock (_lock)
            {
                return _broken is not null;
            }
        }
    }

    /// <summary>Connects and has the server answer once, so that whoever only accepts is not taken for memcached.</summary>
    /// <param name="endpoint">The server.</param>
    /// <param name="timeout">How long an answer may take.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="onBroken">Told once when the connection ends: why, and whether that is a fault: not the close of an idle
    /// connection.</param>
    /// <param name="ct">The time for connecting.</param>
    public static async Task<MemcachedLink> OpenAsync(
        PolicyEndpoint endpoint,
        TimeSpan timeout,
        TimeProvider clock,
        Action<MemcachedLink, CacheException, bool> onBroken,
        CancellationToken ct)
    {
        var link = new MemcachedLink(await endpoint.ConnectAsync(ct).ConfigureAwait(false), timeout, clock, onBroken);
        try
        {
            _ = link.ReceiveAsync();
            await link.SendAsync(MemcachedCommand.NoOperation).WaitAsync(ct).ConfigureAwait(false);
            return link;
        }
        catch (Exception exception)
        {
            link.Break(exception as CacheException ?? new CacheException("the server did not answer on a new connection", exception));
            throw;
        }
    }

    /// <summary>Puts a command behind the others.</summary>
    /// <exception cref="CacheException">The connection is broken, or too much waits on it.</exception>
    public Task<MemcachedReply> SendAsync(in MemcachedCommand command)
    {
        Pending pending;
        CacheException? late = null;
        lock (_lock)
        {
            if (_broken is not null)
            {
                throw new CacheException(_broken.Message, _broken);
            }

            if (_pending.TryPeek(out var oldest) && _clock.GetElapsedTime(oldest.Since) > _timeout)
            {
                // Its caller had less time than the connection allows, and gave up without telling anybody.
                late = new CacheException(Waited.TimedOut(_timeout));
            }
            else if (_pending.Count >= MostPending || _unsent.WrittenCount >= MostUnsentBytes)
            {
                throw new CacheException("too many commands wait for the server");
            }

            pending = new Pending(++_opaque, command.Key.Length == 0, _clock.GetTimestamp());
            if (late is null)
            {
                _pending.Enqueue(pending);
                MemcachedWire.Write(_unsent, command, pending.Opaque);
                if (!_isSending)
                {
                    _isSending = true;
                    _ = SendUnsentAsync();
                }
            }
        }

        if (late is not null)
        {
            Break(late);
            throw late;
        }

        return pending.Answer.Task;
    }

    /// <summary>Ends the connection; who waits on it gets the exception.</summary>
    public void Break(CacheException why, bool isClose = false)
    {
        Pending[] waiting;
        lock (_lock)
        {
            if (_broken is not null)
            {
                return;
            }

            _broken = why;
            waiting = [.. _pending];
            _pending.Clear();
        }

        _stream.Dispose();
        _onBroken(this, why, !isClose || waiting.Length > 0);
        foreach (var pending in waiting)
        {
            pending.Answer.TrySetException(why);
            _ = pending.Answer.Task.Exception;   // its caller may have gone: seen here, it is no unobserved one
        }
    }

    private async Task SendUnsentAsync()
    {
        // Not on the caller's thread: what others add meanwhile goes out in the same write.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (true)
            {
                lock (_lock)
                {
                    if (_broken is not null || _unsent.WrittenCount == 0)
                    {
                        _isSending = false;
                        return;
                    }

                    (_unsent, _sending) = (_sending, _unsent);
                }

                await _stream.WriteAsync(_sending.WrittenMemory).ConfigureAwait(false);
                _sending.ResetWrittenCount();
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            Break(new CacheException(exception.Message, exception));
        }
    }

    private async Task ReceiveAsync()
    {
        var reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync().ConfigureAwait(false);
                var bytes = result.Buffer;
                while (MemcachedWire.TryRead(ref bytes, out var reply))
                {
                    Complete(reply);
                }

                if (result.IsCompleted)
                {
                    Break(new CacheException(bytes.IsEmpty
                        ? "the server closed the connection"
                        : "the server closed the connection in the middle of an answer"), isClose: bytes.IsEmpty);
                    return;
                }

                reader.AdvanceTo(bytes.Start, bytes.End);
            }
        }
        catch (Exception exception) when (exception is CacheException or IOException or ObjectDisposedException or SocketException)
        {
            Break(exception as CacheException ?? new CacheException(exception.Message, exception));
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    private void Complete(in MemcachedReply reply)
    {
        Pending? pending;
        lock (_lock)
        {
            if (!_pending.TryPeek(out pending))
            {
                throw new CacheException("the server sent an answer without a command");
            }

            // A miss has no opaque in every version.
            var fits = pending.IsNoOperation
                ? reply.Code == "MN"
                : reply.Code != "MN" && (reply.Opaque == pending.Opaque || (reply.Opaque is null && reply.Code == "EN"));
            if (!fits)
            {
                throw new CacheException("the server sent the answer of another command");
            }

            _pending.Dequeue();
        }

        pending.Answer.TrySetResult(reply);
    }

    private sealed record Pending(uint Opaque, bool IsNoOperation, long Since)
    {
        public TaskCompletionSource<MemcachedReply> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
