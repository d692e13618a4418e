using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>What cannot work in the operator's <c>akka { }</c> is an error of the configuration at start, with a sentence.</summary>
[ServerTest]
public sealed class WrongAkkaSettingsSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("akka = 5", "akka: expected a section { }, found a number")]
    [InlineData("akka.loglevel = LOUD", "Unknown LogLevel: \"LOUD\"")]
    [InlineData("akka.actor.provider = foo", "'akka.actor.provider' is not a valid type name : 'foo'")]
    [InlineData("akka.cluster.seed-nodes = [\"akka.tcp://other@127.0.0.1:4999\"]", "is a node of the actor system other")]
    [InlineData("akka { actor.provider = cluster, remote.dot-netty.tcp.enable-ssl = on }", "Path to SSL certificate was not found")]
    [InlineData(
        "akka { actor.provider = remote, remote.dot-netty.tcp.hostname = 192.0.2.1 }", "Failed to bind to [192.0.2.1:0]: Cannot assign")]
    [InlineData("akka { actor.provider = remote, remote.dot-netty.tcp.port = abc }", "'abc' was not in a correct format")]
    [InlineData(
        "akka { actor.provider = cluster, cluster.failure-detector.heartbeat-interval = 0 }",
        "akka.cluster.failure-detector.heartbeat-interval must be more than 0")]
    [InlineData("akka { actor.provider = cluster, cluster.split-brain-resolver.active-strategy = foo }", "Unknown downing strategy")]
    [InlineData("akka { actor.provider = cluster, cluster.downing-provider-class = \"Foo, Bar\" }", "Could not load file or assembly 'Bar")]
    [InlineData("akka.scheduler.tick-duration = 0", "")]
    [InlineData("akka { actor.provider = cluster, remote.enabled-transports = [\"akka.remote.nothing\"] }", "")]
    public async Task Start_ends_with_78_and_a_sentence(string akka, string expected)
    {
        var file = _folder.Write("policyd.hocon", $$"""
            policyd { listen = "127.0.0.1:{{FreePort.Next()}}", admin { listen = off }, virtual_hosts = [ { port = 1, plugins = [] } ] }
            {{akka}}
            """);
        var result = await Command.RunAsync("", "serve", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Contains(
            result.Error.Split('\n'),
            line => line.Contains("akka", StringComparison.Ordinal) && line.Contains(expected, StringComparison.Ordinal));
        Assert.DoesNotContain("internal error", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }
}
