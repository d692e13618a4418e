using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Policyd.Actors.Polling;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

/// <summary>Both ways to be told of what a socket has, held to the same.</summary>
public sealed class SocketPollSpecs
{
    public static TheoryData<string> Polls => OperatingSystem.IsLinux() ? ["epoll", "zero bytes"] : ["zero bytes"];

    [Theory]
    [MemberData(nameof(Polls))]
    public async Task A_reader_is_told_of_what_is_there_of_what_comes_and_of_the_end(string which)
    {
        using var poll = Poll(which);
        using var pair = await Pair.ConnectAsync();
        await pair.Client.SendAsync("before"u8.ToArray());
        var reader = new Reader(poll, pair.Server);
        var watched = poll.Add(pair.Server, reader);
        await Eventually.Holds("the bytes that were there", () => reader.Text == "before");
        await pair.Client.SendAsync(" after"u8.ToArray());
        await Eventually.Holds("those that came", () => reader.Text == "before after");
        pair.Client.Shutdown(SocketShutdown.Send);
        await Eventually.Holds("the end", () => reader.HasEnded);
        poll.Remove(watched);
    }

    [Theory]
    [MemberData(nameof(Polls))]
    public async Task A_reader_that_is_blocked_holds_no_other(string which)
    {
        using var poll = Poll(which);
        var release = new TaskCompletionSource();
        using var first = await Pair.ConnectAsync();
        using var second = await Pair.ConnectAsync();
        var blocked = new Reader(poll, first.Server, release);
        var free = new Reader(poll, second.Server);
        poll.Add(first.Server, blocked);
        poll.Add(second.Server, free);
        await first.Client.SendAsync("x"u8.ToArray());
        await Eventually.Holds("the first reader to be blocked", () => blocked.IsCalled);
        for (var i = 0; i < 50; i++)
        {
            await second.Client.SendAsync("x"u8.ToArray());
            await Eventually.Holds("the second reader to read", () => free.Text.Length == i + 1);
        }

        Assert.Equal("", blocked.Text);
        release.SetResult();
        await Eventually.Holds("the first reader to read", () => blocked.Text == "x");
    }

    [Theory]
    [MemberData(nameof(Polls))]
    public async Task Ten_thousand_messages_on_a_hundred_sockets_are_all_told(string which)
    {
        using var poll = Poll(which);
        var pairs = new List<Pair>();
        var readers = new List<Reader>();
        for (var i = 0; i < 100; i++)
        {
            pairs.Add(await Pair.ConnectAsync());
            readers.Add(new Reader(poll, pairs[i].Server));
            poll.Add(pairs[i].Server, readers[i]);
        }

        for (var round = 0; round < 100; round++)
        {
            foreach (var pair in pairs)
            {
                await pair.Client.SendAsync("x"u8.ToArray());
            }
        }

        await Eventually.Holds("every byte to be read", () => readers.All(static reader => reader.Text.Length == 100));
        pairs.ForEach(static pair => pair.Dispose());
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task A_reader_that_was_removed_is_told_nothing_and_the_threads_end_with_the_poll()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "zero-byte reads end with the socket");
        var poll = new EpollThreads(2);
        using var pair = await Pair.ConnectAsync();
        var removed = new Reader(poll, pair.Server);
        poll.Remove(poll.Add(pair.Server, removed));
        using var other = await Pair.ConnectAsync();
        var reader = new Reader(poll, other.Server);
        poll.Add(other.Server, reader);
        await pair.Client.SendAsync("x"u8.ToArray());
        await other.Client.SendAsync("x"u8.ToArray());
        await Eventually.Holds("the other reader to be told", () => reader.Text == "x");
        Assert.Equal("", removed.Text);
        poll.Dispose();
        poll.Dispose();
        await Eventually.Holds("the threads to end", () => poll.Running == 0);
        Assert.Throws<ObjectDisposedException>(() => poll.Add(pair.Server, removed));
    }

    private static SocketPoll Poll(string which) =>
        which == "epoll" && OperatingSystem.IsLinux() ? new EpollThreads(2) : new ZeroByteReads();

    // Reads all there is whenever it is told, as the stage of a connection does. It is also told of the sockets' end, after the test: so
    // what it waits for is nothing that the test disposes.
    private sealed class Reader(SocketPoll poll, Socket socket, TaskCompletionSource? release = null) : IReadable
    {
        private readonly Lock _lock = new();
        private readonly byte[] _buffer = new byte[16];
        private string _text = "";

        public string Text => Volatile.Read(ref _text);

        public bool HasEnded { get; private set; }

        public bool IsCalled { get; private set; }

        public void OnReadable(bool hasEnded)
        {
            IsCalled = true;
            release?.Task.Wait();
            lock (_lock)
            {
                while (!HasEnded && Read())
                {
                }
            }
        }

        private bool Read()
        {
            try
            {
                var count = socket.Receive(_buffer, SocketFlags.None, out var error);
                if (error == SocketError.WouldBlock)
                {
                    poll.Await(socket, this);
                    return false;
                }

                HasEnded = count == 0;
                Volatile.Write(ref _text, _text + System.Text.Encoding.ASCII.GetString(_buffer, 0, count));
                return true;
            }
            catch (ObjectDisposedException)
            {
                return false;   // the test is over
            }
        }
    }

    private sealed class Pair(Socket client, Socket server) : IDisposable
    {
        public Socket Client => client;

        public Socket Server => server;

        public static async Task<Pair> ConnectAsync()
        {
            using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
            var server = await listener.AcceptAsync(TestContext.Current.CancellationToken);
            server.Blocking = false;
            return new Pair(client, server);
        }

        public void Dispose()
        {
            client.Dispose();
            server.Dispose();
        }
    }
}
