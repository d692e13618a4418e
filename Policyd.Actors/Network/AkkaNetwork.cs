using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Hosting;
using Policyd.Engine.Clustering;
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
    private const string EnableSsl = "akka.remote.dot-netty.tcp.enable-ssl";

    /// <summary>Our defaults for what the operator's settings ask for.</summary>
    /// <param name="operators">The operator's <c>akka { }</c>.</param>
    /// <param name="cluster">The options of <c>policyd { cluster { } }</c>; null when there is none.</param>
    /// <exception cref="ConfigurationException">They contradict each other.</exception>
    public static Config SettingsFor(Config operators, ClusterOptions? cluster = null) =>
        cluster is null ? SettingsWithoutCluster(operators) : SettingsFor(cluster, operators);

    private static Config SettingsFor(ClusterOptions cluster, Config operators)
    {
        if (operators.GetString(Provider, "cluster") is var provider && !Is("cluster", provider))
        {
            throw new ConfigurationException($"{Provider} must be cluster for a node of policyd {{ cluster {{ }} }}, but is {provider}");
        }

        if (Seeds(operators).Count > 0)
        {
            throw new ConfigurationException($"{SeedNodes} cannot be given beside policyd {{ cluster {{ }} }}; use its option seeds");
        }

        foreach (var path in (string[])["akka.remote.dot-netty", "akka.remote.enabled-transports"])
        {
            if (operators.HasPath(path))
            {
                throw new ConfigurationException(
                    $"{path} has no effect beside policyd {{ cluster {{ }} }}; use its options listen, advertise and tls");
            }
        }

        return NodeSettings.For(cluster).WithFallback(OfAnyCluster);
    }

    private static Config OfAnyCluster =>
        ConfigurationFactory.ParseString(NetworkSettings.Cluster + "\n" + ServerVersion.Setting)
            .WithFallback(ConfigurationFactory.ParseString(NetworkSettings.Remote));

    private static Config SettingsWithoutCluster(Config operators)
    {
        var provider = operators.GetString(Provider, string.Empty);
        var seeds = Seeds(operators);
        foreach (var seed in seeds)
        {
            CheckSeed(seed, operators);
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

        // A provider that is not known here may listen as well: not beyond loopback, then.
        return hasSeeds || Is("cluster", provider) ? OfAnyCluster : ConfigurationFactory.ParseString(NetworkSettings.Remote);
    }

    // Another kind of value reads as an empty list, and the server would be alone where it should join.
    private static IList<string> Seeds(Config operators) =>
        !operators.HasPath(SeedNodes) ? []
        : operators.GetValue(SeedNodes) is var value && !value.IsObject() && !(value.IsString() && value.GetString().Length > 0)
            ? operators.GetStringList(SeedNodes, [])
            : throw new ConfigurationException($"{SeedNodes} must be a list of addresses: [\"akka.tcp://policyd@HOST:PORT\"]");

    // Akka would try for ever to join a node that cannot exist.
    private static void CheckSeed(string seed, Config operators)
    {
        var protocol = operators.GetBoolean(EnableSsl, false) ? "akka.ssl.tcp" : "akka.tcp";
        if (AddressOf(seed) is not { HasGlobalScope: true, Port: > 0 } address)
        {
            throw new ConfigurationException(
                $"{SeedNodes}: {LogValue.Quote(seed)} is not the address of a node; expected {protocol}://policyd@HOST:PORT");
        }

        if (address.System != "policyd")
        {
            throw new ConfigurationException(
                $"{SeedNodes}: {LogValue.Quote(seed)} is a node of the actor system {LogValue.Quote(address.System)}; those of "
                    + $"policyd are called policyd: {protocol}://policyd@HOST:PORT");
        }

        if (address.Protocol != protocol && !operators.HasPath("akka.remote.enabled-transports"))
        {
            throw new ConfigurationException(
                $"{SeedNodes}: {LogValue.Quote(seed)} must begin with {protocol}://, because {EnableSsl} is "
                    + $"{(operators.GetBoolean(EnableSsl, false) ? "on" : "off")}");
        }
    }

    private static Address? AddressOf(string text)
    {
        try
        {
            return Address.Parse(text);
        }
        catch (UriFormatException)
        {
            return null;
        }
    }

    /// <summary>Whether this system is part of a cluster, maybe of one.</summary>
    public static bool IsClustered(ActorSystem system) => Is("cluster", ((ExtendedActorSystem)system).Provider.GetType().Name);

    /// <summary>Says which port Akka has opened, and which settings for one have no effect: neither happens in silence.</summary>
    public static void Tell(ActorSystem system, Config operators, ClusterOptions? cluster, ILogger logger)
    {
        var provider = ((ExtendedActorSystem)system).Provider;
        if (cluster is not null)
        {
            ListensAsNode(logger, cluster.Listen, provider.DefaultAddress.ToString());   // without TLS the configuration has a warning
            return;
        }

        var clustered = IsClustered(system);
        var remote = clustered || provider.DefaultAddress.HasGlobalScope;
        if (remote && system.Settings.Config.GetBoolean(EnableSsl, false))
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

    [LoggerMessage(EventId = 176, Level = LogLevel.Information, Message = "cluster: listens on {Listen} as the node {Address}")]
    private static partial void ListensAsNode(ILogger logger, NodeAddress listen, string address);

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
