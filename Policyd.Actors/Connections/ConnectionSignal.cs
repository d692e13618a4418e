namespace Policyd.Actors.Connections;

/// <summary>What the registry tells a connection's stream from outside.</summary>
internal enum ConnectionSignal
{
    /// <summary>The deadline that the connection's watch showed has passed.</summary>
    DeadlinePassed,

    /// <summary>The server stops: close now when idle, else after the answer.</summary>
    Drain,
}
