using Microsoft.Extensions.Logging;

namespace Policyd.Backends.Connections;

/// <summary>
/// The options of a connection other than SQL: a class with its options as properties, as a plugin has them. Listed in
/// ConnectionModules of the engine under the module's name.
/// </summary>
public interface IConnectionOptions
{
    /// <summary>What is wrong with the options together; null when nothing is. The message holds no secret.</summary>
    string? Check();

    /// <summary>
    /// Makes the connection. It connects when it is first used and again after it was lost: a server that is away keeps ours neither
    /// from starting nor from answering.
    /// </summary>
    /// <param name="name">The connection's name, for the log.</param>
    /// <param name="environment">Clock and log.</param>
    IAsyncDisposable Create(string name, ConnectionEnvironment environment);
}

/// <summary>What surrounds a connection.</summary>
/// <param name="Clock">The clock.</param>
/// <param name="Logger">The log.</param>
public sealed record ConnectionEnvironment(TimeProvider Clock, ILogger Logger);
