namespace Policyd.Actors.Connections;

/// <summary>What the connection manager tells a connection's stream from outside.</summary>
internal enum ConnectionSignal
{
    /// <summary>The connection's deadline has passed.</summary>
    DeadlinePassed,

    /// <summary>The server stops: close now when idle, else after the answer.</summary>
    Drain,
}
