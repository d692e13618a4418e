using Akka.Actor;
using Akka.Configuration;
using Akka.DependencyInjection;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Engine.Model;

namespace Policyd.Actors.Hosting;

/// <summary>Puts the policy server into a host.</summary>
public static class PolicyServerExtensions
{
    /// <summary>
    /// How long the last counts may take to be written, after the last answer. A host's own time for its stop must be longer, or they are
    /// lost unsaid.
    /// </summary>
    public static readonly TimeSpan FlushGrace = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(5);

    // For a host that stops Akka without having drained: below the phase's own time-out, which would cut the drain off.
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(20);

    /// <summary>The whole of it: an actor system with our settings, the server in it, and its handle as a service.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="model">What to serve.</param>
    /// <param name="akka">The <c>akka { }</c> section of the configuration as HOCON or JSON: it overrides our settings.</param>
    public static IServiceCollection AddPolicyServer(this IServiceCollection services, PolicyServerModel model, string? akka = null)
    {
        var server = new PolicyServer(model);
        services.AddSingleton<IPolicyServerHandle>(server);
        services.AddHostedService(_ => new ListenerBinding(server));
        return services.AddAkka("policyd", (builder, _) => builder.WithPolicyServer(server, akka));
    }

    /// <summary>Starts everything in an actor system that the caller makes. Its coordinated shutdown drains the server.</summary>
    /// <param name="builder">The actor system's.</param>
    /// <param name="model">What to serve.</param>
    /// <param name="akka">The <c>akka { }</c> section of the configuration as HOCON or JSON: it overrides our settings.</param>
    public static AkkaConfigurationBuilder WithPolicyServer(
        this AkkaConfigurationBuilder builder, PolicyServerModel model, string? akka = null) =>
        builder.WithPolicyServer(model, out _, akka);

    /// <inheritdoc cref="WithPolicyServer(AkkaConfigurationBuilder, PolicyServerModel, string?)"/>
    /// <param name="builder">The actor system's.</param>
    /// <param name="model">What to serve.</param>
    /// <param name="handle">The running server.</param>
    /// <param name="akka">The <c>akka { }</c> section of the configuration.</param>
    public static AkkaConfigurationBuilder WithPolicyServer(
        this AkkaConfigurationBuilder builder, PolicyServerModel model, out IPolicyServerHandle handle, string? akka = null)
    {
        var server = new PolicyServer(model);
        handle = server;
        return builder.WithPolicyServer(server, akka);
    }

    private static AkkaConfigurationBuilder WithPolicyServer(this AkkaConfigurationBuilder builder, PolicyServer server, string? akka)
    {
        var operators = string.IsNullOrWhiteSpace(akka) ? Config.Empty : ConfigurationFactory.ParseString(akka);
        builder.AddHocon(operators, HoconAddMode.Prepend).AddHocon(AkkaNetwork.SettingsFor(operators, server.Cluster), HoconAddMode.Append);
        if (server.Cluster is { } cluster)
        {
            builder.AddSetup(NodeTransportSetup.For(cluster));
        }

        if (server.RunsCron)
        {
            builder.AddHocon(server.CronSettings, HoconAddMode.Append);
        }

        var stop = FlushGrace + server.Model.Options.PluginStopTimeout + s_margin;
        return builder
            .AddHocon(ConfigurationFactory.ParseString(CounterAkkaSettings.TimeToStop(stop)), HoconAddMode.Append)
            .AddHocon(ConfigurationFactory.ParseString(CounterAkkaSettings.Defaults), HoconAddMode.Append)
            .AddHocon(ConfigurationFactory.ParseString(AkkaSettings.Defaults), HoconAddMode.Append)
            .ConfigureLoggers(static loggers =>
            {
                loggers.AddLoggerFactory();
                loggers.ClearLoggers();
                loggers.AddLogger<AkkaLog>();
            })
            .AddStartup((system, registry) => StartAsync(server, system, operators));
    }

    private static async Task StartAsync(PolicyServer server, ActorSystem system, Config operators)
    {
        var loggers = DependencyResolver.For(system).Resolver.GetService<ILoggerFactory>();
        AkkaNetwork.Tell(system, operators, server.Cluster, loggers.CreateLogger("Policyd.Server"));
        if (AkkaNetwork.IsClustered(system))
        {
            ClusterMembership.Check(system);
        }

        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceRequestsDone, "drain", async () =>
        {
            await server.DrainAsync(s_grace).ConfigureAwait(false);
            return Akka.Done.Instance;
        });
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceStop, "flush-counters-and-end-plugins", async () =>
        {
            await server.FlushAsync(FlushGrace).ConfigureAwait(false);
            await server.EndPluginsAsync().ConfigureAwait(false);
            return Akka.Done.Instance;
        });
        await server.StartAsync(system, loggers).ConfigureAwait(false);
    }
}
