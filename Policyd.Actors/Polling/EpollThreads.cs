using System.Net.Sockets;
using System.Runtime.Versioning;
using Policyd.Actors.Dispatching;

namespace Policyd.Actors.Polling;

/// <summary>
/// Threads that all wait on one epoll, one more than there are processors. Each takes one event at a time, so that nothing waits behind a
/// plugin that blocks its thread. One of them never runs plugins: what it would have to run goes to the thread pool.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class EpollThreads : SocketPoll
{
    private readonly Epoll _epoll = new();
    private readonly Lock _lock = new();
    private readonly BlockingThreads _blocking;
    private IReadable?[] _readers = new IReadable?[256];   // by descriptor
    private int _running;
    private bool _isDisposed;

    public EpollThreads()
        : this(Math.Max(2, Environment.ProcessorCount + 1))
    {
    }

    /// <param name="threads">How many; at least two.</param>
    public EpollThreads(int threads)
    {
        _running = threads;
        _blocking = new BlockingThreads(threads - 1);
        for (var index = 0; index < threads; index++)
        {
            new Thread(Run) { IsBackground = true, Name = $"requests-{index}" }.UnsafeStart();
        }
    }

    /// <summary>How many of its threads have not ended.</summary>
    public int Running => Volatile.Read(ref _running);

    public override int Add(Socket socket, IReadable reader)
    {
        var descriptor = (int)socket.SafeHandle.DangerousGetHandle();   // of this socket until the reader removes it
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (descriptor >= _readers.Length)
            {
                var readers = _readers;
                Array.Resize(ref readers, Math.Max(descriptor + 1, 2 * readers.Length));
                Volatile.Write(ref _readers, readers);
            }

            Volatile.Write(ref _readers[descriptor], reader);
            _epoll.Watch(descriptor);
        }

        return descriptor;
    }

    // An edge-triggered epoll tells of more by itself.
    public override void Await(Socket socket, IReadable reader)
    {
    }

    // The system forgets the descriptor when it is closed. An event of it that a thread has got already may reach the reader of the next
    // socket with the same descriptor, which then reads in vain.
    public override void Remove(int watched)
    {
        lock (_lock)
        {
            _readers[watched] = null;
        }
    }

    public override void Dispose()
    {
        lock (_lock)
        {
            if (!_isDisposed)
            {
                _isDisposed = true;
                _epoll.Stop();
            }
        }
    }

    private void Run()
    {
        while (_epoll.Wait(out var descriptor, out var hasEnded))
        {
            var readers = Volatile.Read(ref _readers);
            if (descriptor < readers.Length && Volatile.Read(ref readers[descriptor]) is { } reader)
            {
                using var turn = RunNext.Begin(_blocking);
                reader.OnReadable(hasEnded);
            }
        }

        if (Interlocked.Decrement(ref _running) == 0)
        {
            _epoll.Dispose();
        }
    }
}
