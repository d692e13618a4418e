using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A node of another version, or one that sends anything at all, is bad input like any other: what cannot be read is told in the log and
/// left out, and the connection and the node go on.
/// </summary>
public sealed class ForeignMessageSpecs
{
    private const string Foreign = """
        akka.actor {
          serializers { counters = "Policyd.Tests.Clustering.ForeignMessageSpecs+Counters, Policyd.Tests"
                        json = "Policyd.Tests.Clustering.ForeignMessageSpecs+Json, Policyd.Tests"
                        unknown = "Policyd.Tests.Clustering.ForeignMessageSpecs+Unknown, Policyd.Tests" }
          serialization-bindings { "Policyd.Tests.Clustering.ForeignMessageSpecs+CounterMessage, Policyd.Tests" = counters
                                   "Policyd.Tests.Clustering.ForeignMessageSpecs+JsonMessage, Policyd.Tests" = json
                                   "Policyd.Tests.Clustering.ForeignMessageSpecs+UnknownMessage, Policyd.Tests" = unknown }
        }
        """;

    [Fact]
    public async Task Message_that_cannot_be_read_is_told_and_those_behind_it_arrive()
    {
        await using var foreign = await NodeUnderTest.StartAsync(tls: null, akka: Foreign);
        await using var node = await NodeUnderTest.StartAsync(tls: null);
        var received = new List<object>();
        node.System.ActorOf(Props.Create(() => new Recorder(received)), "target");
        var target = await foreign.System.ActorSelection($"{node.Address}/user/target")
            .ResolveOne(Eventually.Timeout, TestContext.Current.CancellationToken);

        target.Tell(new CounterMessage("Z9", [1, 2, 3]));
        target.Tell(new CounterMessage("F", [1]));
        target.Tell(new CounterMessage("", []));
        target.Tell(new UnknownMessage());
        target.Tell(new JsonMessage());
        target.Tell(new CounterMessage("F", [0, 0, 0, 7]));
        await Eventually.Settles(() => $"the last message; the log:\n{node.Text}", () =>
        {
            lock (received)
            {
                return Task.FromResult(received.Count > 0);
            }
        });
        Assert.Equal(new CounterPostProtocol.FindPartition(7), Assert.Single(received));
        await Eventually.Settles(
            () => $"a line for each of the others; the log:\n{node.Text}",
            () => Task.FromResult(node.Log.Lines.Count(static line => line.Level == LogLevel.Warning) == 5));
        Assert.DoesNotContain(node.Log.Lines, static line => line.Level > LogLevel.Warning);
        Assert.Equal(1, node.Up);
    }

    [Fact]
    public async Task Node_makes_no_actor_that_another_one_names()
    {
        await using var foreign = await NodeUnderTest.StartAsync(
            tls: null, akka: "akka.actor.serializers.daemon-create = \"Akka.Remote.Serialization.DaemonMsgCreateSerializer, Akka.Remote\"");
        await using var node = await NodeUnderTest.StartAsync(tls: null);
        await foreign.ReachesAsync(node);
        foreign.System.ActorOf(Props.Create<Deployed>().WithDeploy(new Deploy(new RemoteScope(node.Address))), "deployed");
        await node.SaysAsync("serializer id [3]");
        await foreign.ReachesAsync(node);
        Assert.Empty(Deployed.Made);
    }

    internal sealed record CounterMessage(string Manifest, byte[] Bytes);

    internal sealed record JsonMessage;

    internal sealed record UnknownMessage;

    /// <summary>Our number, and what another version may write.</summary>
    [SuppressMessage("Performance", "CA1812", Justification = "Akka makes it by the name in the settings")]
    internal sealed class Counters(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => 4711;

        public override string Manifest(object o) => ((CounterMessage)o).Manifest;

        public override byte[] ToBinary(object obj) => ((CounterMessage)obj).Bytes;

        public override object FromBinary(byte[] bytes, string manifest) => throw new NotSupportedException();
    }

    /// <summary>Akka's own for any type, whose name comes with the message.</summary>
    [SuppressMessage("Performance", "CA1812", Justification = "Akka makes it by the name in the settings")]
    internal sealed class Json : SerializerWithStringManifest
    {
        public Json(ExtendedActorSystem system, Config settings)
            : base(system) => _ = settings;

        public override int Identifier => 1;

        public override string Manifest(object o) => "System.IO.FileInfo, System.Private.CoreLib";

        public override byte[] ToBinary(object obj) =>
            Encoding.UTF8.GetBytes("""{"$type":"System.IO.FileInfo, System.Private.CoreLib","fileName":"/etc/passwd"}""");

        public override object FromBinary(byte[] bytes, string manifest) => throw new NotSupportedException();
    }

    /// <summary>One that this version does not have.</summary>
    [SuppressMessage("Performance", "CA1812", Justification = "Akka makes it by the name in the settings")]
    internal sealed class Unknown(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => 9999;

        public override string Manifest(object o) => "x";

        public override byte[] ToBinary(object obj) => [1];

        public override object FromBinary(byte[] bytes, string manifest) => throw new NotSupportedException();
    }

    /// <summary>What a node could have another one make, of any type and with any arguments.</summary>
    private sealed class Deployed : UntypedActor
    {
        public static ConcurrentQueue<Address> Made { get; } = [];

        protected override void PreStart() => Made.Enqueue(((ExtendedActorSystem)Context.System).Provider.DefaultAddress);

        protected override void OnReceive(object message) => Unhandled(message);
    }

    private sealed class Recorder(List<object> received) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            lock (received)
            {
                received.Add(message);
            }
        }
    }
}
