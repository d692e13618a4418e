using Policyd.Actors.Clustering;
using Policyd.Actors.Inspection;
using Policyd.Actors.Server;

namespace Policyd.Server.Admin.Cluster;

/// <summary>The cluster as the running server sees it, and what to tell when there is none.</summary>
internal sealed class ClusterAdmin(IPolicyServerHandle server)
{
    private static readonly TimeSpan s_starting = TimeSpan.FromSeconds(5);

    /// <exception cref="AdminException">The server is alone, or still starting.</exception>
    public async Task<ClusterInspection> InspectionAsync()
    {
        try
        {
            await server.Started.WaitAsync(s_starting);
        }
        catch (TimeoutException)
        {
            // Told below, if need be.
        }

        return server.Inspection ?? throw new AdminException(
            AdminError.Unavailable,
            server.Started.IsCompleted
                ? "this server is not a node of a cluster: its configuration has no policyd { cluster { } }"
                : "the server is still starting; try again in a moment");
    }

    /// <summary>The member that an operator names.</summary>
    /// <exception cref="AdminException">There is none.</exception>
    public static ClusterMember Member(ClusterPicture picture, string name) => picture.Find(name) ?? throw new AdminException(
        AdminError.NotFound,
        picture.Members.Count == 0
            ? $"there is no member \"{name}\"; this node knows of no members"
            : $"there is no member \"{name}\"; known members: {string.Join(", ", picture.Members.Select(static one => one.HostAndPort))}");
}
