using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Hosting;
using Policyd.Plugins.Logging;

namespace Policyd.Actors.Network;

/// <summary>
/// Whether others reach this server through Akka. Only the operator's <c>akka { }</c> says so, with seed nodes or with a provider: a server
/// that is alone opens no port but those of its own configuration, and can be joined by nobody.
/// </summary>
internal static partial class AkkaNetwork
{
    private const string Provider = "akka.actor.provider";
    private const string SeedNodes = "akka.cluster.seed-nodes";

    /// <summary>Our defaults for what the operator's settings ask for.</summary>
    /// <exception cref="ConfigurationException">They contradict each other.</exception>
    public static Config SettingsFor(Config operators)
    {
        var provider = operators.GetString(Provider, string.Empty);
        var seeds = Seeds(operators);
        foreach (var seed in seeds.Where(static seed => !IsAddress(seed)))
        {
            throw new ConfigurationException(
                $"{SeedNodes}: {LogValue.Quote(seed)} is not the address of a node; expected akka.tcp://policyd@HOST:PORT");
        }

        var hasSeeds = seeds.Count > 0;
        if (hasSeeds && provider.Length > 0 && !Is("cluster", provider))
        {
            throw new ConfigurationException($"{SeedNodes} needs {Provider} = cluster, but that is {provider}");
        }

        if (provider.Length > 0 ? Is("local", provider) : !hasSeeds)
        {
            return ConfigurationFactory.ParseString(NetworkSettings.Alone);
        }

        var remote = ConfigurationFactory.ParseString(NetworkSettings.Remote);
        if (hasSeeds || Is("cluster", provider))
        {
            return ConfigurationFactory.ParseString(NetworkSettings.Cluster).WithFallback(remote);
        }

        // A provider that is not known here may listen as well: not beyond loopback, then.
        return remote;
    }

    // Another kind of value reads as an empty list, and the server would be alone where it should join.
    private static IList<string> Seeds(Config operators) =>
        !operators.HasPath(SeedNodes) ? []
        : operators.GetValue(SeedNodes) is var value && !value.IsObject() && !(value.IsString() && value.GetString().Length > 0)
            ? operators.GetStringList(SeedNodes, [])
            : throw new ConfigurationException($"{SeedNodes} must be a list of addresses: [\"akka.tcp://policyd@HOST:PORT\"]");

    private static bool IsAddress(string text)
    {
        try
        {
            return Address.Parse(text).HasGlobalScope;
        }
        catch (UriFormatException)
        {
            return false;
        }
    }

    /// <summary>Whether this system is part of a cluster, maybe of one.</summary>
    public static bool IsClustered(ActorSystem system) => Is("cluster", ((ExtendedActorSystem)system).Provider.GetType().Name);

    /// <summary>Says which port Akka has opened, and which settings for one have no effect: neither happens in silence.</summary>
    public static void Tell(ActorSystem system, Config operators, ILogger logger)
    {
        var provider = ((ExtendedActorSystem)system).Provider;
        var clustered = IsClustered(system);
        var remote = clustered || provider.DefaultAddress.HasGlobalScope;
        if (remote && system.Settings.Config.GetBoolean("akka.remote.dot-netty.tcp.enable-ssl", false))
        {
            Listens(logger, provider.DefaultAddress.ToString());
        }
        else if (remote)
        {
            ListensToAll(logger, provider.DefaultAddress.ToString());
        }

        if (!remote && operators.HasPath("akka.remote"))
        {
            WithoutEffect(logger, "remote");
        }

        if (!clustered && operators.HasPath("akka.cluster"))
        {
            WithoutEffect(logger, "cluster");
        }
    }

    /// <summary>Providers have a short name, and the name of their type.</summary>
    private static bool Is(string kind, string provider) =>
        provider.Equals(kind, StringComparison.OrdinalIgnoreCase)
            || provider.Contains(kind + "ActorRefProvider", StringComparison.OrdinalIgnoreCase);

    [LoggerMessage(EventId = 29, Level = LogLevel.Information, Message = "akka listens on {Address}, as configured in akka {{ }}")]
    private static partial void Listens(ILogger logger, string address);

    [LoggerMessage(
        EventId = 30,
        Level = LogLevel.Warning,
        Message = "akka listens on {Address}, as configured in akka {{ }}, without TLS: every host and local user that can reach this port "
            + "can join the cluster and take over counters")]
    private static partial void ListensToAll(ILogger logger, string address);

    [LoggerMessage(
        EventId = 31,
        Level = LogLevel.Warning,
        Message = "akka {{ {Section} }} has no effect: without akka {{ cluster.seed-nodes }} this server "
            + "runs alone and Akka opens no port")]
    private static partial void WithoutEffect(ILogger logger, string section);
}
