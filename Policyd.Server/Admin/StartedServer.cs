using Policyd.Actors.Server;

namespace Policyd.Server.Admin;

/// <summary>The admin endpoint is there before the rest of the server: who asks early waits a little.</summary>
internal static class StartedServer
{
    private static readonly TimeSpan s_starting = TimeSpan.FromSeconds(10);

    /// <summary>A part of the server, once it is there.</summary>
    /// <exception cref="AdminException">The server is still starting.</exception>
    public static async Task<T> PartAsync<T>(this IPolicyServerHandle server, Func<IPolicyServerHandle, T?> part)
        where T : class
    {
        try
        {
            await server.Started.WaitAsync(s_starting);
        }
        catch (TimeoutException)
        {
            // Told below.
        }

        return part(server) ?? throw new AdminException(AdminError.Unavailable, "the server is still starting; try again in a moment");
    }
}
