using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Policyd.Actors.Network;
using Policyd.Engine.Clustering;

namespace Policyd.Tests.Clustering;

/// <summary>Akka's settings follow from the options of <c>cluster { }</c>; the operator's own may not contradict them.</summary>
public sealed class NodeSettingsSpecs
{
    [Theory]
    [InlineData(1, 200, 600)]
    [InlineData(3, 500, 2000)]
    [InlineData(60, 1000, 58000)]
    public void Times_follow_from_the_options(int failureAfter, int beat, int pause)
    {
        var options = Options();
        (options.FailureAfter, options.DecideAfter) = (TimeSpan.FromSeconds(failureAfter), TimeSpan.FromSeconds(7));
        var settings = AkkaNetwork.SettingsFor(Config.Empty, options);
        var detector = settings.GetConfig("akka.cluster.failure-detector");
        Assert.Equal(TimeSpan.FromMilliseconds(beat), detector.GetTimeSpan("heartbeat-interval"));
        Assert.Equal(TimeSpan.FromMilliseconds(pause), detector.GetTimeSpan("acceptable-heartbeat-pause"));
        Assert.Equal(TimeSpan.FromSeconds(7), settings.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after"));
        Assert.Equal("cluster", settings.GetString("akka.actor.provider"));
        Assert.Empty(settings.GetStringList("akka.cluster.seed-nodes"));
    }

    [Fact]
    public void Keys_wait_no_minute_for_the_word_of_a_node_that_is_cut_off()
    {
        var sharding = AkkaNetwork.SettingsFor(Config.Empty, Options()).GetConfig("akka.cluster.sharding");
        Assert.Equal(TimeSpan.FromSeconds(10), sharding.GetTimeSpan("handoff-timeout"));

        // The strategy that has a limit is the one that looks whether all nodes are reached.
        Assert.True(sharding.GetInt("least-shard-allocation-strategy.rebalance-absolute-limit") > 0);
    }

    [Fact]
    public void Operators_settings_stay_above_them()
    {
        var operators = ConfigurationFactory.ParseString("akka.cluster.failure-detector.acceptable-heartbeat-pause = 9s");
        var settings = operators.WithFallback(AkkaNetwork.SettingsFor(operators, Options()));
        Assert.Equal(TimeSpan.FromSeconds(9), settings.GetTimeSpan("akka.cluster.failure-detector.acceptable-heartbeat-pause"));
    }

    [Theory]
    [InlineData("akka.actor.provider = local", "akka.actor.provider must be cluster for a node of policyd { cluster { } }, but is local")]
    [InlineData(
        "akka.cluster.seed-nodes = [\"akka.tcp://policyd@192.0.2.1:4053\"]",
        "akka.cluster.seed-nodes cannot be given beside policyd { cluster { } }; use its option seeds")]
    [InlineData("akka.remote.dot-netty.tcp.port = 4053", "akka.remote.dot-netty has no effect beside policyd { cluster { } }")]
    [InlineData("akka.remote.enabled-transports = []", "akka.remote.enabled-transports has no effect beside policyd { cluster { } }")]
    public void Settings_that_contradict_the_options_are_an_error(string settings, string expected)
    {
        var error = Assert.Throws<ConfigurationException>(
            () => AkkaNetwork.SettingsFor(ConfigurationFactory.ParseString(settings), Options()));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", null, "akka.tcp://policyd@127.0.0.1:")]
    [InlineData("::1", null, "akka.tcp://policyd@[::1]:")]
    [InlineData("::", "localhost", "akka.tcp://policyd@localhost:")]
    [InlineData("0.0.0.0", "127.0.0.1", "akka.tcp://policyd@127.0.0.1:")]
    public async Task Node_listens_where_it_is_told_and_is_called_as_it_is_advertised(string listen, string? advertise, string address)
    {
        Assert.SkipUnless(System.Net.Sockets.Socket.OSSupportsIPv6, "this machine has no IPv6");
        await using var a = await NodeUnderTest.StartAsync(tls: null, listen, advertise);
        await using var b = await NodeUnderTest.StartAsync(tls: null, listen, advertise);
        Assert.Equal($"{address}{a.Port}", a.Address.ToString());
        Assert.Equal($"akka.tcp://policyd@{a.Options.Advertised}", a.Address.ToString());
        await a.ReachesAsync(b);
        Assert.Equal(a.Address, Cluster.Get(a.System).SelfMember.Address);
        Assert.Equal(a.Address, Address.Parse(a.Address.ToString()));
    }

    private static ClusterOptions Options() => new() { Listen = new NodeAddress("127.0.0.1", 4053), Db = "db" };
}
