using System.Net.Sockets;
using Policyd.Actors.Dispatching;

namespace Policyd.Actors.Polling;

/// <summary>For systems without epoll: a read of no bytes completes when there are some.</summary>
internal sealed class ZeroByteReads : SocketPoll
{
    public override int Add(Socket socket, IReadable reader)
    {
        Await(socket, reader);
        return 0;
    }

    public override void Await(Socket socket, IReadable reader) => _ = AwaitAsync(socket, reader);

    public override void Remove(int watched)
    {
    }

    public override void Dispose()
    {
    }

    private static async Task AwaitAsync(Socket socket, IReadable reader)
    {
        await Task.Yield();   // the reader may be within its turn
        try
        {
            await socket.ReceiveAsync(Memory<byte>.Empty).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // The reader meets it in its own read.
        }
        catch (ObjectDisposedException)
        {
            return;
        }

        using var turn = RunNext.Begin();
        reader.OnReadable(hasEnded: false);
    }
}
