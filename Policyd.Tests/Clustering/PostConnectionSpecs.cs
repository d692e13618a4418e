using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Counters;
using Policyd.Actors.Network;
using Policyd.Engine.Clustering;
using Policyd.Tests.Support;
using static Policyd.Actors.Counters.CounterPostProtocol;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Two nodes' posts talk over a connection of their own. It is as well guarded as Akka's, comes back after a loss, and what it carries that
/// cannot be read costs nothing but a line.
/// </summary>
public sealed class PostConnectionSpecs : IDisposable
{
    private static readonly byte[] s_question = [1, 2, 3];

    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly ConcurrentQueue<FramedStream> _accepted = new();
    private readonly ConcurrentQueue<(object Message, IActorRef Sender)> _answers = new();
    private readonly ConcurrentQueue<object> _asked = new();

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Messages_cross_and_answers_come_from_the_post_that_was_asked(bool withTls)
    {
        await using var near = await NodeUnderTest.StartAsync(withTls ? Tls("mx1") : null);
        await using var far = await NodeUnderTest.StartAsync(withTls ? Tls("mx2") : null, "127.0.0.2");
        var other = Accept(far);
        using var connection = Connect(near, other);
        await Sends(connection, new Ask(s_question));
        await Sends(connection, new Release(s_question));
        await Eventually.Holds("the question and the release", () => _asked.Count == 2);
        Assert.Equal([typeof(Ask), typeof(Release)], _asked.Select(static one => one.GetType()));
        await Eventually.Holds("the answer", () => !_answers.IsEmpty);
        var (answer, sender) = Assert.Single(_answers);
        Assert.Equal(s_question, Assert.IsType<Answers>(answer).Bytes);
        Assert.Equal(other, sender.Path.ToSerializationFormat());
        Assert.Single(near.Log.Containing($"cluster: direct connection to node 127.0.0.2:{far.Port} for counters"));
        Assert.DoesNotContain(near.Log.Lines.Concat(far.Log.Lines), static line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Node_that_the_authority_does_not_know_has_no_direct_connection_either()
    {
        using var foreign = new TestAuthority();
        await using var near = await NodeUnderTest.StartAsync(Tls("mx1", foreign));
        await using var far = await NodeUnderTest.StartAsync(Tls("mx2"));
        using var connection = Connect(near, Accept(far));
        await near.SaysAsync($"cluster: no connection to node 127.0.0.1:{far.Port}: ");
        Assert.False(connection.TrySend(new Ask(s_question)));
        Assert.Empty(_accepted);
    }

    [Fact]
    public async Task Lost_connection_is_made_again()
    {
        await using var near = await NodeUnderTest.StartAsync(tls: null);
        await using var far = await NodeUnderTest.StartAsync(tls: null);
        using var connection = Connect(near, Accept(far));
        await Sends(connection, new Ask(s_question));
        Assert.Single(_accepted).Dispose();
        await Eventually.Holds("another connection", () => _accepted.Count == 2);
        _asked.Clear();
        await Sends(connection, new Ask(s_question));
        await Eventually.Holds("the question", () => !_asked.IsEmpty);
    }

    [Fact]
    public async Task Connection_that_the_other_node_does_not_take_yet_is_tried_again()
    {
        await using var near = await NodeUnderTest.StartAsync(tls: null);
        await using var far = await NodeUnderTest.StartAsync(tls: null);
        var other = Accept(far);
        var accept = Direct(far).Accepted;
        Direct(far).Accepted = null;
        using var connection = Connect(near, other);
        await near.SaysAsync("cluster: direct connection to node");
        await Eventually.Holds("its end", () => !connection.TrySend(new Release(s_question)));
        Direct(far).Accepted = accept;
        await Sends(connection, new Ask(s_question));
        await Eventually.Holds("the question", () => _asked.Any(static one => one is Ask));
    }

    [Fact]
    public async Task Ended_connection_is_closed_and_made_no_more()
    {
        await using var near = await NodeUnderTest.StartAsync(tls: null);
        await using var far = await NodeUnderTest.StartAsync(tls: null);
        using var connection = Connect(near, Accept(far));
        await Sends(connection, new Ask(s_question));
        connection.Dispose();
        Assert.False(connection.TrySend(new Ask(s_question)));
        await Eventually.Ends("the other end", Ended(Assert.Single(_accepted)));
    }

    [Fact]
    public async Task Frame_that_this_version_does_not_know_is_told_and_the_next_one_arrives()
    {
        await using var near = await NodeUnderTest.StartAsync(tls: null);
        await using var far = await NodeUnderTest.StartAsync(tls: null);
        Accept(far);
        var raw = await Direct(near).DialAsync(far.Address);
        Assert.True(raw.TryWrite([9], s_question));
        Assert.True(raw.TryWrite([], []));
        Assert.True(CounterFrames.TryWrite(raw, new Ask(s_question)));
        await Eventually.Holds("three frames", () => _asked.Count == 3);
        Assert.Equal(
            [
                new UnknownFrame("a message of the kind 9, which this version does not know"),
                new UnknownFrame("a message without a kind"),
            ],
            _asked.OfType<UnknownFrame>());
        raw.Dispose();
    }

    [Fact]
    public async Task Preface_of_an_unknown_use_is_refused_and_the_node_goes_on()
    {
        await using var far = await NodeUnderTest.StartAsync(tls: null);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, far.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync("POLICYD\u0003"u8.ToArray(), TestContext.Current.CancellationToken);
        await far.SaysAsync("it is no node of policyd, or one of another version");
        await using var near = await NodeUnderTest.StartAsync(tls: null);
        await near.ReachesAsync(far);
    }

    [Fact]
    public void Silence_of_a_peer_ends_a_connection_after_the_time_that_was_set()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the option is Linux's");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SocketPatience.Bound(socket, TimeSpan.FromSeconds(3));
        var set = new byte[sizeof(int)];
        socket.GetRawSocketOption(6, 18, set);
        Assert.Equal(3000, BitConverter.ToInt32(set));
    }

    private static DirectConnections Direct(NodeUnderTest node) => node.System.Settings.Setup.Get<NodeTransportSetup>().Value.Direct;

    private static Task Sends(PostConnection connection, ICounterMessage message) =>
        Eventually.Holds($"a connection for {message}", () => connection.TrySend(message));

    private static async Task<bool> Ended(FramedStream connection)
    {
        await connection.Ended;
        return true;
    }

    // A post that answers each question with its bytes; its path is what the other node knows it by.
    private string Accept(NodeUnderTest node)
    {
        var post = node.System.ActorOf(Props.Create(() => new Answering(_asked)));
        var provider = ((ExtendedActorSystem)node.System).Provider;
        Direct(node).Accepted = (connection, from) =>
        {
            _accepted.Enqueue(connection);
            connection.Begin(new ConnectedPost(connection, from, post, provider));
        };
        return post.Path.ToSerializationFormatWithAddress(node.Address);
    }

    private PostConnection Connect(NodeUnderTest node, string other) => new(
        Direct(node),
        ((ExtendedActorSystem)node.System).Provider.ResolveActorRef(other),
        node.System.ActorOf(Props.Create(() => new Keeping(_answers))),
        node.Log.CreateLogger("post"));

    private ClusterTlsOptions Tls(string name, TestAuthority? issuer = null) =>
        NodeUnderTest.Tls(_folder, name, (issuer ?? _authority).Issue([$"{name}.example.org"]), _authority);

    private sealed class Answering(ConcurrentQueue<object> asked) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            asked.Enqueue(message);
            if (message is Ask ask)
            {
                Sender.Tell(new Answers(ask.Bytes), Self);
            }
        }
    }

    private sealed class Keeping(ConcurrentQueue<(object Message, IActorRef Sender)> told) : UntypedActor
    {
        protected override void OnReceive(object message) => told.Enqueue((message, Sender));
    }
}
