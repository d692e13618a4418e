using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Connections;

/// <summary>
/// The options of a section in <c>connections { }</c>, and what makes its connection: a public class with a constructor that needs nothing,
/// its options as properties, as a plugin has them, and <see cref="ConnectionModuleAttribute"/>. The server finds it in the assemblies of
/// <c>plugin_folder</c>, as it finds its own.
/// </summary>
public interface IConnectionModule
{
    /// <summary>
    /// What is wrong with the options together; null when nothing is. A message that begins with an option's name and a colon or a space
    /// is shown at that option's place, any other at the connection's. It holds no secret.
    /// </summary>
    string? Check();

    /// <summary>
    /// Makes the connection, which all plugins share that name it. It must not connect before it is first used, and must connect again
    /// after it was lost: a server that is away keeps ours neither from starting nor from answering. The server disposes it at its end, and
    /// when a reload has changed its section.
    /// </summary>
    /// <param name="setup">Name, clock and log.</param>
    /// <returns>What plugins get from <see cref="Api.PluginSetup.Connection{T}"/>. It may offer what the server knows: see
    /// <see cref="ConnectionModuleAttribute.Offers"/>.</returns>
    IAsyncDisposable Open(ConnectionSetup setup);
}

/// <summary>What surrounds a connection.</summary>
/// <param name="Name">Its name in the configuration, for the log.</param>
/// <param name="Clock">The clock.</param>
/// <param name="Logger">The log.</param>
public sealed record ConnectionSetup(string Name, TimeProvider Clock, ILogger Logger);
