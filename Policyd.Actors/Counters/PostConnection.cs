using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Network;

namespace Policyd.Actors.Counters;

/// <summary>
/// This node's direct connection to the post of another one: made at once, and made again whenever it is lost. While there is none,
/// messages go through Akka. A message that is lost with it is asked again, as any other that gets no answer.
/// </summary>
internal sealed class PostConnection : IFrameListener, IDisposable
{
    // A node that stops closes its connections before others know that it is gone: it shall not be dialled again.
    private static readonly TimeSpan s_untilNext = TimeSpan.FromSeconds(1);

    private readonly DirectConnections _connections;
    private readonly IActorRef _other;
    private readonly IActorRef _post;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _end = new();
    private FramedStream? _open;

    /// <param name="connections">The way to other nodes.</param>
    /// <param name="other">The post of that node.</param>
    /// <param name="post">The post of this node: it is told what comes.</param>
    /// <param name="logger">The log.</param>
    public PostConnection(DirectConnections connections, IActorRef other, IActorRef post, ILogger logger)
    {
        (_connections, _other, _post, _logger) = (connections, other, post, logger);
        _ = Task.Run(KeepAsync);
    }

    /// <summary>Sends a message; false when there is no connection that takes it.</summary>
    public bool TrySend(ICounterMessage message) =>
        Volatile.Read(ref _open) is { } connection && CounterFrames.TryWrite(connection, message);

    /// <summary>Ends it: what the other node still answers is not taken.</summary>
    public void Dispose()
    {
        _end.Cancel();
        Volatile.Read(ref _open)?.End();
    }

    void IFrameListener.OnFrame(ReadOnlySpan<byte> frame) => _post.Tell(CounterFrames.Read(frame), _other);

    private async Task KeepAsync()
    {
        try
        {
            while (true)
            {
                await ConnectAsync().ConfigureAwait(false);
                await Task.Delay(s_untilNext, _end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The other node is gone, or this one ends.
        }
    }

    private async Task ConnectAsync()
    {
        FramedStream connection;
        try
        {
            connection = await _connections.DialAsync(_other.Path.Address).ConfigureAwait(false);
        }
        catch (NodeRefusedException)
        {
            return;   // the log has told why
        }

        try
        {
            connection.Begin(this);
            Volatile.Write(ref _open, connection);
            CounterLog.DirectConnection(_logger, $"{_other.Path.Address.Host}:{_other.Path.Address.Port}");
            await connection.Ended.WaitAsync(_end.Token).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _open, null);
            connection.End();
        }
    }
}
