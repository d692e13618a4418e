using System.Net.Sockets;
using Microsoft.Diagnostics.NETCore.Client;

namespace Policyd.Bench.Runtime;

/// <summary>
/// Opens a session at the diagnostics port of another .NET process. A process that was killed leaves the socket of its port behind,
/// and its number may be given to a process without a runtime. The client library then tells a refused connection, not an absent port.
/// </summary>
internal static class DiagnosticsPort
{
    /// <exception cref="ServerNotAvailableException">No runtime of this process listens.</exception>
    public static async Task<EventPipeSession> OpenAsync(int pid, EventPipeProvider[] providers, CancellationToken cancellation)
    {
        try
        {
            var starting = new DiagnosticsClient(pid).StartEventPipeSessionAsync(providers, requestRundown: false, token: cancellation);
            return await starting.ConfigureAwait(false);
        }
        catch (SocketException reason)
        {
            throw new ServerNotAvailableException($"Nothing listens at the diagnostics port of process {pid}: {reason.Message}");
        }
    }
}
