using System.Reflection;

namespace Policyd.Actors.Network;

/// <summary>The version that a node tells its cluster: members of two versions are an upgrade under way.</summary>
internal static class ServerVersion
{
    /// <summary>Akka's setting for it.</summary>
    public static string Setting => $"akka.cluster.app-version = \"{Text}\"\n";

    // Without what a build adds of its commit, which has no order.
    public static string Text =>
        typeof(ServerVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
