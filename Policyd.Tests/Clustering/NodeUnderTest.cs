using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using Akka.Hosting.Logging;
using Policyd.Actors.Hosting;
using Policyd.Actors.Network;
using Policyd.Engine.Clustering;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>A node without a server: an actor system with the settings of <c>policyd { cluster { } }</c> on loopback.</summary>
internal sealed class NodeUnderTest : IAsyncDisposable
{
    private NodeUnderTest(ActorSystem system, ClusterOptions options, LogCapture log) => (System, Options, Log) = (system, options, log);

    public ActorSystem System { get; }

    public ClusterOptions Options { get; }

    public LogCapture Log { get; }

    public Address Address => Cluster.Get(System).SelfAddress;

    public int Port => Options.Listen.Port;

    /// <summary>Members that are up, as this node sees it.</summary>
    public int Up => Cluster.Get(System).State.Members.Count(member => member.Status == MemberStatus.Up);

    /// <summary>Starts a node that is a cluster of one.</summary>
    /// <param name="tls">How it proves that it is one.</param>
    /// <param name="host">Where it listens.</param>
    /// <param name="advertise">Where the others reach it; null: there.</param>
    /// <param name="akka">Settings that go before the server's.</param>
    /// <param name="port">Its port; null: a free one.</param>
    public static async Task<NodeUnderTest> StartAsync(
        ClusterTlsOptions? tls, string host = "127.0.0.1", string? advertise = null, string akka = "", int? port = null)
    {
        var options = new ClusterOptions
        {
            Listen = new NodeAddress(host, port ?? FreePort.Next()),
            Db = "db",
            Tls = tls,
            FailureAfter = TimeSpan.FromSeconds(30),
        };
        options.Advertise = advertise is null ? null : new NodeAddress(advertise, options.Listen.Port);
        var log = new LogCapture();
        // Without heartbeats: each is alone, and one that a busy machine delays would be a warning in the log.
        var settings = ConfigurationFactory.ParseString(akka)
            .WithFallback(ConfigurationFactory.ParseString("akka.cluster.failure-detector.heartbeat-interval = 1h"))
            .WithFallback(AkkaNetwork.SettingsFor(Config.Empty, options))
            .WithFallback(ConfigurationFactory.ParseString(
                $"akka.loggers = [\"{typeof(AkkaLog).FullName}, {typeof(AkkaLog).Assembly.GetName().Name}\"]"))
            .WithFallback(ConfigurationFactory.ParseString(AkkaSettings.Defaults));
        var system = ActorSystem.Create(
            "policyd",
            ActorSystemSetup.Create(
                BootstrapSetup.Create().WithConfig(settings), NodeTransportSetup.For(options), new LoggerFactorySetup(log)));
        var node = new NodeUnderTest(system, options, log);
        Cluster.Get(system).Join(node.Address);
        await node.HasMembersAsync(1);
        return node;
    }

    /// <summary>The options of a node with a certificate; its files go into a folder. Peers are called mx*.example.org.</summary>
    public static ClusterTlsOptions Tls(
        TemporaryFolder folder, string name, (string Certificate, string Key) pair, TestAuthority trusted)
    {
        Assert.True(NamePattern.TryParse("mx*.example.org", out var pattern, out _));
        return new ClusterTlsOptions
        {
            Certificate = folder.Write($"{name}.pem", pair.Certificate),
            Key = folder.Write($"{name}.key", pair.Key),
            CaFile = folder.Write("ca.pem", trusted.Pem),
            Names = [pattern!],
        };
    }

    public Task HasMembersAsync(int members) =>
        Eventually.Settles(() => $"{members} members on {Address}; its log:\n{Text}", () => Task.FromResult(Up == members));

    /// <summary>Dials the other node until it answers.</summary>
    public Task ReachesAsync(NodeUnderTest other) => Eventually.Settles(
        () => $"an answer of {other.Address}; the log of {Address}:\n{Text}", () => AnswersAsync(other));

    /// <summary>Waits for a line in its log.</summary>
    public Task SaysAsync(string part) => Eventually.Settles(
        () => $"the line \"{part}\" in the log of {Address}:\n{Text}", () => Task.FromResult(Log.Containing(part).Any()));

    // Asks for anything, which makes this node dial.
    private async Task<bool> AnswersAsync(NodeUnderTest other)
    {
        try
        {
            var identity = await System.ActorSelection($"{other.Address.WithProtocol(Address.Protocol)}/system").Ask<ActorIdentity>(
                new Identify(null), TimeSpan.FromMilliseconds(500));
            return identity.Subject is not null;
        }
        catch (AskTimeoutException)
        {
            return false;
        }
    }

    /// <summary>Dials the other node until the log has the line.</summary>
    public Task FailsToReachAsync(NodeUnderTest other, string line) => Eventually.Settles(
        () => $"the line \"{line}\" in the log:\n{Text}",
        async () =>
        {
            Assert.False(await AnswersAsync(other));
            return Log.Containing(line).Any();
        });

    public string Text => string.Join('\n', Log.Lines.Select(line => $"{line.Level} {line.Message}"));

    public async ValueTask DisposeAsync() => await System.Terminate();
}
