using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>
/// The log lines that whoever reaches the port can cause. Each kind has one throttle for the whole server: the first line comes at once,
/// then one in ten seconds with the count of the others, also when no more come. What is counted is in the server's figures besides.
/// </summary>
internal sealed class ConnectionTroubles : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger;
    private readonly LogThrottle _malformed = new(TimeProvider.System);
    private readonly LogThrottle _noVirtualHost = new(TimeProvider.System);
    private readonly LogThrottle _askedTooLong = new(TimeProvider.System);
    private readonly LogThrottle _receivedTooLong = new(TimeProvider.System);
    private readonly LogThrottle _failed = new(TimeProvider.System);
    private readonly LogThrottle _refused = new(TimeProvider.System);
    private readonly LogThrottle _acceptFailed = new(TimeProvider.System);
    private readonly LogThrottle _waiting = new(TimeProvider.System);
    private readonly Timer _timer;

    public ConnectionTroubles(ILogger logger)
    {
        _logger = logger;
        _timer = new Timer(static state => ((ConnectionTroubles)state!).Flush(), this, s_look, s_look);
    }

    public void Malformed(string peer, PolicyEndpoint listener, string error)
    {
        if (_malformed.Enter(out var more))
        {
            ConnectionLog.Malformed(_logger, peer, listener, error, more);
        }
    }

    public void NoVirtualHost(string peer, PolicyEndpoint listener, string context)
    {
        if (_noVirtualHost.Enter(out var more))
        {
            ConnectionLog.NoVirtualHost(_logger, peer, listener, context, more);
        }
    }

    public void AskedTooLong(string virtualHost, string instance, double seconds)
    {
        if (_askedTooLong.Enter(out var more))
        {
            ConnectionLog.AskedTooLong(_logger, virtualHost, instance, seconds, more);
        }
    }

    public void ReceivedTooLong(string peer, PolicyEndpoint listener, double seconds)
    {
        if (_receivedTooLong.Enter(out var more))
        {
            ConnectionLog.ReceivedTooLong(_logger, peer, listener, seconds, more);
        }
    }

    public void Failed(string peer, PolicyEndpoint listener, Exception exception)
    {
        if (_failed.Enter(out var more))
        {
            ConnectionLog.Failed(_logger, peer, listener, more, exception);
        }
    }

    public void Refused(int maximum, PolicyEndpoint listener)
    {
        if (_refused.Enter(out var more))
        {
            ConnectionLog.Refused(_logger, maximum, listener, more);
        }
    }

    public void AcceptFailed(PolicyEndpoint listener, string error)
    {
        if (_acceptFailed.Enter(out var more))
        {
            ConnectionLog.AcceptFailed(_logger, listener, error, more);
        }
    }

    /// <summary>As many connections are open as there is room for.</summary>
    public void Waiting(int connections, PolicyEndpoint listener)
    {
        if (_waiting.Enter(out _))
        {
            ConnectionLog.Waiting(_logger, connections, listener);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Flush()
    {
        Flush(_malformed, "malformed requests");
        Flush(_noVirtualHost, "requests without a virtual host");
        Flush(_askedTooLong, "requests without a result in time");
        Flush(_receivedTooLong, "requests that were not complete in time");
        Flush(_failed, "connections that failed");
        Flush(_refused, "connections refused at max_connections");
    }

    private void Flush(LogThrottle throttle, string what)
    {
        if (throttle.Flush(out var more))
        {
            ConnectionLog.More(_logger, more, what);
        }
    }
}
