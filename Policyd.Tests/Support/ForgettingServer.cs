using System.Net.Sockets;

namespace Policyd.Tests.Support;

/// <summary>
/// A server whose connections can be lost on the way, as by a firewall that has forgotten them: what is sent on those of before is never
/// answered, and a new one is served.
/// </summary>
internal sealed class ForgettingServer : IAsyncDisposable
{
    private readonly Func<byte[], byte[]> _answer;
    private readonly AcceptLoop _clients;
    private TaskCompletionSource? _all;
    private int _most;
    private int _waiting;
    private int _connections;
    private int _epoch;
    private int _unanswered;

    /// <param name="answer">The answer to what came.</param>
    public ForgettingServer(Func<byte[], byte[]> answer)
    {
        _answer = answer;
        _clients = new AcceptLoop(ServeAsync);
    }

    public int Port => _clients.Port;

    public int Connections => Volatile.Read(ref _connections);

    /// <summary>How many questions came on lost connections.</summary>
    public int Unanswered => Volatile.Read(ref _unanswered);

    /// <summary>How many questions wait for <see cref="Release"/>.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Answers no question before <see cref="Release"/>, or before so many have come: each on a connection of its own.</summary>
    public void Hold(int most = int.MaxValue) => (_all, _most) = (new(TaskCreationOptions.RunContinuationsAsynchronously), most);

    /// <summary>Answers what waits, and whatever comes.</summary>
    public void Release() => Interlocked.Exchange(ref _all, null)?.TrySetResult();

    /// <summary>Loses the connections that there are.</summary>
    public void Forget() => Interlocked.Increment(ref _epoch);

    public ValueTask DisposeAsync()
    {
        Release();
        return _clients.DisposeAsync();
    }

    private async Task ServeAsync(Socket socket, CancellationToken stop)
    {
        using var _ = socket;
        Interlocked.Increment(ref _connections);
        var since = Volatile.Read(ref _epoch);
        var buffer = new byte[16 * 1024];
        try
        {
            while (await socket.ReceiveAsync(buffer, stop) is > 0 and var length)
            {
                if (Volatile.Read(ref _epoch) != since)
                {
                    Interlocked.Increment(ref _unanswered);
                    continue;
                }

                if (Volatile.Read(ref _all) is { } all)
                {
                    if (Interlocked.Increment(ref _waiting) >= _most)
                    {
                        Release();
                    }

                    await all.Task.WaitAsync(stop);
                }

                await socket.SendAsync(_answer(buffer[..length]), stop);
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            // The client has left, or the test is over.
        }
    }
}
