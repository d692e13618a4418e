using System.Net;
using System.Net.Sockets;

namespace Policyd.Bench.Servers;

/// <summary>
/// A port for a server that is started several times. It lies below those that the system gives to outgoing connections: of
/// the ten thousand that the load opens one could hold the port when the server starts again. It lies below those of the tests, too.
/// </summary>
internal static class FreePort
{
    private const int Lowest = 12_000;
    private const int FirstOfTests = 22_000;
    private const int Attempts = 1_000;

    /// <exception cref="InvalidOperationException">No port is free.</exception>
    public static IPEndPoint Find(IReadOnlyCollection<int> taken)
    {
        var beyond = Math.Min(FirstOutgoing(), FirstOfTests);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var endpoint = new IPEndPoint(IPAddress.Loopback, Random.Shared.Next(Lowest, beyond));
            if (!taken.Contains(endpoint.Port) && CanBind(endpoint))
            {
                return endpoint;
            }
        }

        throw new InvalidOperationException($"No port from {Lowest} to {beyond - 1} is free.");
    }

    private static int FirstOutgoing()
    {
        const int Default = 32_768;
        const string Range = "/proc/sys/net/ipv4/ip_local_port_range";
        var first = File.Exists(Range) && int.TryParse(File.ReadAllText(Range).Split('\t')[0], out var port) ? port : Default;
        return first > Lowest ? first : Default;
    }

    private static bool CanBind(IPEndPoint endpoint)
    {
        try
        {
            using var socket = Sockets.Create(endpoint);
            socket.Bind(endpoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
