using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting.Logging;
using Akka.Remote;
using Akka.Remote.Transport;
using Microsoft.Extensions.Logging;
using Policyd.Engine.Clustering;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Actors.Network;

/// <summary>
/// Akka's remoting between the nodes of a <c>cluster { }</c>: TCP, with TLS or without. Akka's own transport over DotNetty does not serve
/// here. It ends its actor system when a handshake fails that this node has begun, so that one peer's expired certificate, or a peer that
/// stops at the wrong moment, would end healthy nodes. It keeps the certificate of its start, knows no authorities but the system's
/// unless it is programmed, and ends at TLS 1.2. Here a handshake that fails costs that connection and nothing else.
/// <see cref="DirectConnections"/> have the same port and handshake.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Akka ends a transport by Shutdown, while handshakes may still be under way.")]
internal sealed class NodeTransport : Transport
{
    /// <summary>Where its settings are.</summary>
    public const string Path = "akka.remote.node-transport";

    private const int MostHandshakes = 256;

    // Akka's connections have heartbeats instead.
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(3);

    private readonly NodeIdentitySource? _identity;
    private readonly DirectConnections _direct;
    private readonly ILogger _logger;
    private readonly NodeAddress _advertised;
    private readonly IPEndPoint _listen;
    private readonly TimeSpan _timeout;
    private readonly ConcurrentDictionary<FramedStream, byte> _open = new();
    private readonly ConcurrentDictionary<Address, LogThrottle> _troubles = new();
    private readonly LogThrottle _refusals = new(TimeProvider.System);
    private readonly LogThrottle _notRenewed = new(TimeProvider.System);
    private readonly SemaphoreSlim _handshakes = new(MostHandshakes);
    private readonly CancellationTokenSource _end = new();
    private Address? _local;
    private Socket? _listener;

    /// <summary>Akka makes it, from the name in its settings.</summary>
    public NodeTransport(ActorSystem system, Config config)
    {
        (System, Config) = (system, config);
        var setup = system.Settings.Setup.Get<NodeTransportSetup>();
        (_identity, _direct) = setup.HasValue
            ? (setup.Value.Identity, setup.Value.Direct)
            : throw new ConfigurationException($"{Path} belongs to policyd {{ cluster {{ }} }}");
        _logger = system.Settings.Setup.Get<LoggerFactorySetup>().Value.LoggerFactory.CreateLogger("Policyd.Server");
        _listen = new IPEndPoint(IPAddress.Parse(config.GetString("hostname")), config.GetInt("port"));
        _advertised = new NodeAddress(config.GetString("public-hostname"), config.GetInt("public-port"));
        _timeout = config.GetTimeSpan("handshake-timeout");
        MaximumPayloadBytes = config.GetByteSize("maximum-frame-size") ?? 0;
        SchemeIdentifier = _identity is null ? "tcp" : "ssl.tcp";
        if (_identity is { } identity)
        {
            identity.Renewed = renewed => NodeTransportLog.Renewed(_logger, renewed.ValidUntil);
            identity.NotTaken = reason => Tell(_notRenewed, leftOut => NodeTransportLog.NotRenewed(_logger, reason, leftOut));
        }
    }

    public override async Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        _listener = new Socket(_listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (_listen.Address.Equals(IPAddress.IPv6Any))
            {
                _listener.DualMode = true;
            }

            // Without the option ReuseAddress: .NET sets SO_REUSEPORT for it, so two nodes would get each other's connections. Bind itself
            // takes an address whose former connections the system still remembers.
            _listener.Bind(_listen);
            _listener.Listen();
        }
        catch (SocketException e)
        {
            _listener.Dispose();
            throw new RemoteTransportException($"cannot listen on {_listen} for the other nodes of the cluster", e);
        }

        _local = new Address(SchemeIdentifier, System.Name, _advertised.HostInAddress, _advertised.Port);
        _direct.ServedBy(node => ConnectAsync(node, NodeUse.Counters));
        var promise = new TaskCompletionSource<IAssociationEventListener>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = AcceptAsync(_listener, promise.Task);
        return await Task.FromResult((_local, promise)).ConfigureAwait(false);
    }

    public override bool IsResponsibleFor(Address remote) => true;

    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        try
        {
            return new NodeLink(_local!, remoteAddress, await ConnectAsync(remoteAddress, NodeUse.Akka).ConfigureAwait(false));
        }
        catch (NodeRefusedException e)
        {
            // Without the cause: Akka would write its stack trace into the log.
            throw new InvalidAssociationException(e.Message);
        }
    }

    public override async Task<bool> Shutdown()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        _listener?.Dispose();
        foreach (var connection in _open.Keys)
        {
            connection.Dispose();
        }

        return true;
    }

    /// <exception cref="NodeRefusedException">There is no connection; the log has told the reason.</exception>
    private async Task<FramedStream> ConnectAsync(Address remote, NodeUse use)
    {
        var node = $"{remote.Host}:{remote.Port}";
        var trouble = _troubles.GetOrAdd(remote, static _ => new LogThrottle(TimeProvider.System));
        try
        {
            var connection = await DialAsync(remote, use).ConfigureAwait(false);
            if (trouble.Leave(out var after, out _))
            {
                NodeTransportLog.Connected(_logger, node, after.TotalSeconds);
            }

            return connection;
        }
        catch (Exception e) when (ReasonOf(e) is { } reason)
        {
            Tell(trouble, leftOut => NodeTransportLog.NotConnected(_logger, node, reason, leftOut));
            throw new NodeRefusedException(reason, e);
        }
    }

    private async Task<FramedStream> DialAsync(Address remote, NodeUse use)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        timeout.CancelAfter(_timeout);
        var host = remote.Host.Trim('[', ']');
        var socket = await PolicyEndpoint.Tcp(host, remote.Port!.Value).ConnectAsync(timeout.Token).ConfigureAwait(false);
        try
        {
            var stream = await NodeHandshake.DialAsync(socket, host, use, _identity, TimeProvider.System, timeout.Token)
                .ConfigureAwait(false);
            return Framed(socket, stream, use);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // Akka gives the listener when it is ready for connections; until then they wait in the backlog.
    private async Task AcceptAsync(Socket listening, Task<IAssociationEventListener> ready)
    {
        try
        {
            var listener = await ready.WaitAsync(_end.Token).ConfigureAwait(false);
            while (true)
            {
                await _handshakes.WaitAsync(_end.Token).ConfigureAwait(false);
                var socket = await AcceptOneAsync(listening).ConfigureAwait(false);
                _ = WelcomeAsync(socket, listener);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The system ends.
        }
        catch (SocketException e) when (!_end.IsCancellationRequested)
        {
            NodeTransportLog.NoLongerAccepts(_logger, e.Message);
        }
    }

    // A client that is gone already, or no descriptor that is free, ends no listener.
    private async Task<Socket> AcceptOneAsync(Socket listening)
    {
        while (true)
        {
            try
            {
                return await listening.AcceptAsync(_end.Token).ConfigureAwait(false);
            }
            catch (SocketException e) when (!_end.IsCancellationRequested && e.SocketErrorCode != SocketError.OperationAborted)
            {
                Tell(_refusals, leftOut => NodeTransportLog.Refused(_logger, "a connection", e.Message, leftOut));
                await Task.Delay(TimeSpan.FromMilliseconds(100), _end.Token).ConfigureAwait(false);
            }
        }
    }

    private async Task WelcomeAsync(Socket socket, IAssociationEventListener listener)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        timeout.CancelAfter(_timeout);
        IPEndPoint? from = null;
        try
        {
            socket.NoDelay = true;
            from = (IPEndPoint)socket.RemoteEndPoint!;
            if (await NodeHandshake.AcceptAsync(socket, _identity, TimeProvider.System, timeout.Token).ConfigureAwait(false)
                is not { } accepted)
            {
                socket.Dispose();
                return;
            }

            var connection = Framed(socket, accepted.Stream, accepted.Use);
            var remote = new Address(
                SchemeIdentifier, System.Name, new NodeAddress(from.Address.ToString(), from.Port).HostInAddress, from.Port);
            if (accepted.Use == NodeUse.Akka)
            {
                listener.Notify(new InboundAssociation(new NodeLink(_local!, remote, connection)));
            }
            else if (_direct.Accepted is { } taken)
            {
                taken(connection, remote);
            }
            else
            {
                connection.Dispose();   // its node dials again
            }
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (!_end.IsCancellationRequested)
            {
                Tell(_refusals, leftOut => NodeTransportLog.Refused(
                    _logger, from is null ? "a connection" : $"the node at {from}", ReasonOf(e) ?? e.Message, leftOut));
            }
        }
        finally
        {
            _handshakes.Release();
        }
    }

    private FramedStream Framed(Socket socket, Stream stream, NodeUse use)
    {
        if (use == NodeUse.Counters)
        {
            SocketPatience.Bound(socket, s_silence);
        }

        var connection = new FramedStream(socket, stream, (int)MaximumPayloadBytes);
        _open[connection] = 0;
        _ = connection.Ended.ContinueWith(_ => _open.TryRemove(KeyValuePair.Create(connection, (byte)0)), TaskScheduler.Default);
        if (_end.IsCancellationRequested)
        {
            connection.Dispose();
        }

        return connection;
    }

    private static void Tell(LogThrottle throttle, Action<long> line)
    {
        if (throttle.Enter(out var leftOut))
        {
            line(leftOut);
        }
    }

    private string? ReasonOf(Exception e) => e switch
    {
        NodeRefusedException => e.Message,
        SocketException => e.Message,
        IOException => "it has closed the connection",
        OperationCanceledException => _end.IsCancellationRequested ? "this node stops" : $"no answer within {_timeout.TotalSeconds:0.#} s",
        _ => null,
    };
}
