using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;
using Policyd.Actors.Network;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A connection between two nodes keeps payloads whole and in order, however the bytes arrive, and ends behind what was sent.
/// </summary>
public sealed class NodeLinkSpecs : IDisposable
{
    private const int MostBytes = 1024 * 1024;
    private static readonly Address s_address = new("akka.tcp", "policyd", "127.0.0.1", 1);

    private readonly List<IDisposable> _open = [];

    public void Dispose() => _open.ForEach(one => one.Dispose());

    [Fact]
    public async Task Payloads_of_any_length_arrive_whole_and_in_order()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var sent = Enumerable.Range(0, 3000)
            .Select(number => Bytes(random, number % 500 == 0 ? random.Next(MostBytes + 1) : random.Next(300)))
            .ToList();
        var (near, far) = await PairAsync();
        var (sender, receiver) = (Link(near), Link(far));
        var received = new Received(receiver);
        foreach (var payload in sent)
        {
            await Eventually.Holds("room for a payload", () => sender.Write(payload));
        }

        sender.Disassociate("the test ends it", Akka.Event.NoLogger.Instance);
        await Eventually.Settles(
            () => $"the end after {received.Payloads.Count} payloads (seed {seed})", () => Task.FromResult(received.HasEnded));
        Assert.True(sent.SequenceEqual(received.Payloads), $"seed {seed}");
        Assert.False(sender.Write(sent[0]));
    }

    [Fact]
    public async Task Payloads_are_cut_from_bytes_that_arrive_in_any_pieces()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var sent = Enumerable.Range(0, 40).Select(number => Bytes(random, number == 20 ? 200_000 : random.Next(20))).ToList();
        var (near, far) = await PairAsync();
        var received = new Received(Link(far));
        var bytes = sent.SelectMany(payload => Framed(payload.ToByteArray())).ToArray();
        for (var at = 0; at < bytes.Length;)
        {
            var piece = Math.Min(random.Next(1, at < 200 || at > bytes.Length - 200 ? 4 : 40_000), bytes.Length - at);
            await near.SendAsync(bytes.AsMemory(at, piece), TestContext.Current.CancellationToken);
            at += piece;
        }

        near.Shutdown(SocketShutdown.Send);
        await Eventually.Settles(() => $"the end (seed {seed})", () => Task.FromResult(received.HasEnded));
        Assert.True(sent.SequenceEqual(received.Payloads), $"seed {seed}");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(MostBytes + 1)]
    public async Task Length_that_no_payload_has_ends_the_connection(int length)
    {
        var (near, far) = await PairAsync();
        var received = new Received(Link(far));
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
        await near.SendAsync(bytes, TestContext.Current.CancellationToken);
        await Eventually.Holds("the end", () => received.HasEnded);
        Assert.Empty(received.Payloads);
    }

    [Fact]
    public async Task Peer_that_does_not_read_takes_no_more_than_a_bound()
    {
        var (near, _) = await PairAsync();
        var sender = Link(near);
        var payload = ByteString.CopyFrom(new byte[100_000]);
        var written = 0;
        await Eventually.Holds("a refusal", () => written++ > 400 || !sender.Write(payload));
        Assert.InRange(written, 1, 400);
    }

    private static ByteString Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return ByteString.CopyFrom(bytes);
    }

    private static byte[] Framed(byte[] payload)
    {
        var bytes = new byte[4 + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, payload.Length);
        payload.CopyTo(bytes, 4);
        return bytes;
    }

    private async Task<(Socket Near, Socket Far)> PairAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(listener.LocalEndpoint, TestContext.Current.CancellationToken);
        var far = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken);
        _open.AddRange([near, far]);
        return (near, far);
    }

    private NodeLink Link(Socket socket)
    {
        var connection = new FramedStream(socket, new NetworkStream(socket, ownsSocket: true), MostBytes);
        _open.Add(connection);
        return new NodeLink(s_address, s_address, connection);
    }

    private sealed class Received : IHandleEventListener
    {
        public Received(NodeLink link) => link.ReadHandlerSource.SetResult(this);

        public ConcurrentQueue<ByteString> Payloads { get; } = new();

        public bool HasEnded { get; private set; }

        public void Notify(IHandleEvent ev)
        {
            if (ev is InboundPayload payload)
            {
                Payloads.Enqueue(payload.Payload);
            }
            else
            {
                HasEnded = ev is Disassociated;
            }
        }
    }
}
