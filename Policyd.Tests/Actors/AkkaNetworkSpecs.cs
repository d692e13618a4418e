using Akka.Actor;
using Akka.Configuration;
using Policyd.Actors.Hosting;
using Policyd.Actors.Network;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

/// <summary>What an operator's settings of Akka make of the server, and how it ends when something that it needs does.</summary>
public sealed class AkkaNetworkSpecs
{
    [Theory]
    [InlineData("", "")]
    [InlineData("akka.loglevel = DEBUG", "")]
    [InlineData("akka.remote.dot-netty.tcp { hostname = 0.0.0.0, port = 4053 }", "")]
    [InlineData("akka.cluster { seed-nodes = [], roles = [policyd] }", "")]
    [InlineData("akka.actor.provider = local", "")]
    [InlineData("akka.actor.provider = \"Akka.Actor.LocalActorRefProvider\"", "")]
    [InlineData("akka.actor.provider = remote", "remote")]
    [InlineData("akka.actor.provider = cluster", "cluster")]
    [InlineData("akka.actor.provider = \"Akka.Cluster.ClusterActorRefProvider, Akka.Cluster\"", "cluster")]
    [InlineData("akka.cluster.seed-nodes = [\"akka.tcp://policyd@192.0.2.1:4053\"]", "cluster")]
    [InlineData("akka { actor.provider = cluster, cluster.seed-nodes = [\"akka.tcp://policyd@192.0.2.1:4053\"] }", "cluster")]
    public void Provider_is_what_the_settings_ask_for(string settings, string provider)
    {
        var defaults = AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString(settings));
        Assert.Equal(provider, defaults.GetString("akka.actor.provider", string.Empty));
        Assert.Equal(
            provider.Length > 0 ? "127.0.0.1" : string.Empty, defaults.GetString("akka.remote.dot-netty.tcp.hostname", string.Empty));
    }

    [Theory]
    [InlineData("")]
    [InlineData("akka.actor.provider = local")]
    [InlineData("akka.actor.provider = remote")]
    [InlineData("akka.cluster.seed-nodes = [\"akka.tcp://policyd@192.0.2.1:4053\"]")]
    public void Json_library_that_makes_objects_of_any_type_is_never_loaded(string settings) =>
        Assert.Equal(
            "Policyd.Actors.Hosting.NoSerializer, Policyd.Actors",
            AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString(settings)).GetString("akka.actor.serializers.json", string.Empty));

    [Theory]
    [InlineData("local")]
    [InlineData("remote")]
    public void Seed_nodes_without_a_cluster_are_an_error(string provider) =>
        Assert.Throws<ConfigurationException>(() => AkkaNetwork.SettingsFor(
            ConfigurationFactory.ParseString(
                $"akka {{ actor.provider = {provider}, cluster.seed-nodes = [\"akka.tcp://policyd@192.0.2.1:4053\"] }}")));

    [Fact]
    public async Task Remoting_that_an_operator_asks_for_listens_on_loopback_and_is_told()
    {
        var operators = ConfigurationFactory.ParseString("akka.actor.provider = remote");
        var quiet = ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF }");
        using var system = ActorSystem.Create("policyd", operators.WithFallback(quiet).WithFallback(AkkaNetwork.SettingsFor(operators)));
        var log = new LogCapture();
        Assert.False(AkkaNetwork.IsClustered(system));
        AkkaNetwork.Tell(system, operators, cluster: null, log.CreateLogger("test"));
        var line = Assert.Single(log.Containing("akka listens on akka.tcp://policyd@127.0.0.1:"));
        Assert.Contains("without TLS", line, StringComparison.Ordinal);
        await system.Terminate();
    }

    [Fact]
    public async Task Server_whose_router_ends_ends_itself_and_tells_why()
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        Assert.Null(server.Handle.UnexpectedEnd);
        server.System.ActorSelection("/user/instances-0").Tell(Kill.Instance);
        await Eventually.Holds("the actor system to end", () => server.System.WhenTerminated.IsCompleted);
        Assert.Equal("the actor /user/instances-0 has ended", server.Handle.UnexpectedEnd);
        Assert.Single(server.Log.Containing("the actor /user/instances-0 has ended; the server cannot work without it and stops"));
        Assert.True(server.Handle.IsDraining);
    }

    [Fact]
    public async Task Server_whose_actor_system_ends_tells_it()
    {
        await using var server = await ServerUnderTest.AnsweringAsync();
        await server.System.Terminate();
        Assert.Equal("its actor system has ended", server.Handle.UnexpectedEnd);
        Assert.Empty(server.Log.Containing("cannot work without it"));
    }

    [Fact]
    public async Task Server_that_its_host_stops_has_not_ended_itself()
    {
        var server = await ServerUnderTest.AnsweringAsync();
        var handle = server.Handle;
        await server.DisposeAsync();
        Assert.Null(handle.UnexpectedEnd);
        Assert.Empty(server.Log.Containing("cannot work without it"));
    }

    [Theory]
    [InlineData("akka.tcp://other@192.0.2.1:4053", "off", "is a node of the actor system other; those of policyd are called policyd")]
    [InlineData("akka.ssl.tcp://policyd@192.0.2.1:4053", "off", "must begin with akka.tcp://, because")]
    [InlineData("akka.tcp://policyd@192.0.2.1:4053", "on", "must begin with akka.ssl.tcp://, because")]
    [InlineData("akka.tcp://policyd@192.0.2.1", "off", "is not the address of a node")]
    public void Seed_node_that_can_never_be_joined_is_an_error(string seed, string ssl, string expected)
    {
        var settings = ConfigurationFactory.ParseString(
            $"akka {{ cluster.seed-nodes = [\"{seed}\"], remote.dot-netty.tcp.enable-ssl = {ssl} }}");
        var error = Assert.Throws<ConfigurationException>(() => AkkaNetwork.SettingsFor(settings));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"akka.tcp://policyd@192.0.2.1:4053\"")]
    [InlineData("[\"192.0.2.1:4053\"]")]
    [InlineData("[\"\"]")]
    [InlineData("[3]")]
    [InlineData("[\"akka.tcp://policyd\"]")]
    [InlineData("{ a = b }")]
    public void Seed_nodes_that_are_no_list_of_addresses_are_an_error_of_the_configuration(string seeds)
    {
        var error = Assert.Throws<ConfigurationException>(
            () => AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString($"akka.cluster.seed-nodes = {seeds}")));
        Assert.Contains("akka.tcp://policyd@HOST:PORT", error.Message, StringComparison.Ordinal);
    }
}
