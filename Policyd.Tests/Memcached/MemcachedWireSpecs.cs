using System.Buffers;
using System.Text;
using Policyd.Backends.Memcached;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Tests.Support;

namespace Policyd.Tests.Memcached;

/// <summary>The bytes of the meta protocol, and what a server may do wrong.</summary>
public sealed class MemcachedWireSpecs
{
    public static TheoryData<string> Wrong =>
    [
        "ERROR\r\n", "CLIENT_ERROR bad command line format\r\n", "SERVER_ERROR "
            + "out of memory storing object\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", "\n", "HD O1\n",
        "VA\r\n", "VA x\r\n", "VA -1 O1\r\nx\r\n", "VA 99999999 O1\r\n", "VA 4294967297 O1\r\n", "VA 2 O1\r\nabcd", "HD Ox\r\n",
        "HD O99999999999\r\n", "HD O1\0\r\n", new string(
            'x', 5000),
    ];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_answers_are_errors(string bytes) => Assert.Throws<CacheException>(() => Read(bytes));

    [Fact]
    public void Commands_are_what_the_protocol_says()
    {
        Assert.Equal("mg key v O7\r\n", Written(new MemcachedCommand("mg", "key", "v")));
        Assert.Equal("ms key 3 T60 O7\r\nabc\r\n", Written(new MemcachedCommand("ms", "key", "T60", "abc"u8.ToArray())));
        Assert.Equal("ms key 0 T60 O7\r\n\r\n", Written(new MemcachedCommand("ms", "key", "T60", Array.Empty<byte>())));
        Assert.Equal("mn\r\n", Written(MemcachedCommand.NoOperation));
    }

    [Fact]
    public void Answers_are_whole_only_with_their_last_byte()
    {
        const string Text = "VA 4 O7 s4\r\na\r\nb\r\n";
        for (var length = 0; length < Text.Length; length++)
        {
            Assert.Null(Read(Text[..length]));
        }

        var reply = Read(Text)!.Value;
        Assert.Equal(("VA", 7u, "a\r\nb"), (reply.Code, reply.Opaque!.Value, Encoding.ASCII.GetString(reply.Value!)));
        Assert.Equal(("EN", null), (Read("EN\r\n")!.Value.Code, Read("EN\r\n")!.Value.Opaque));
    }

    [Theory]
    [InlineData("1a2b.5", "1a2b.5")]
    [InlineData("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public void Keys_that_memcached_takes_stay(string key, string wire) => Assert.Equal(wire, MemcachedKeys.ToWire(key));

    [Theory]
    [InlineData("a b")]
    [InlineData("a\r\nflush_all\r\n")]
    [InlineData("ä")]
    [InlineData("\u007f")]
    public void Keys_that_memcached_does_not_take_are_hashed(string key) =>
        Assert.Matches("^sha256:[0-9a-f]{64}$", MemcachedKeys.ToWire(key));

    [Fact]
    public void Long_keys_are_hashed()
    {
        Assert.Equal(250, MemcachedKeys.ToWire(new string('x', 250)).Length);
        Assert.StartsWith("sha256:", MemcachedKeys.ToWire(new string('x', 251)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_goes_moves_only_its_own_keys()
    {
        var servers = new[] { "a:1", "b:1", "c:1", "d:1" };
        var hashes = servers.Select(MemcachedKeys.Hash).ToArray();
        var counts = new int[4];
        for (var key = 0; key < 10_000; key++)
        {
            var text = $"policyd-session:{key}";
            var owner = MemcachedKeys.ServerOf(hashes, text);
            counts[owner]++;
            if (owner < 3)
            {
                Assert.Equal(owner, MemcachedKeys.ServerOf(hashes.AsSpan(0, 3), text));
            }
        }

        Assert.All(counts, count => Assert.InRange(count, 2000, 3000));
    }

    public static TheoryData<string, bool> BadServers => new()
    {
        { "", true }, { "", false }, { "ERROR\r\n", false }, { "MN\r\nMN\r\n", false }, { "MN\r\n", false }, { "MN\r\nHD O1\r\n", false },
        {
            "HTTP/1.1 400 Bad Request\r\n\r\n", true
        }, { "MN\r\nVA 100", true }, { "\0\0\0\0", true }, { "SERVER_ERROR out of memory\r\n", false },
    };

    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task A_server_that_misbehaves_fails_its_callers_and_is_not_asked_by_each(string answer, bool closes)
    {
        await using var server = new OneAnswerServer(Encoding.Latin1.GetBytes(answer), closes);
        var options = new MemcachedConnectionOptions
        {
            Servers = [$"127.0.0.1:{server.Port}"],
            Timeout = TimeSpan.FromMilliseconds(200),
            ConnectTimeout = TimeSpan.FromMilliseconds(200)
        };
        Assert.Null(options.Check());
        var log = new LogCapture();
        await using var client = new MemcachedClient(
            options, new ConnectionSetup("cache", TimeProvider.System, log.CreateLogger("")));
        for (var call = 0; call < 50; call++)
        {
            await Eventually.Ends(
                "a failure",
                Assert.ThrowsAsync<CacheException>(() => client.GetAsync("x", TestContext.Current.CancellationToken).AsTask()));
        }

        Assert.NotEmpty(log.Containing("connection cache: memcached 127.0.0.1:"));
        Assert.True(server.Connections < 50, $"{server.Connections} connections for 50 calls");
    }

    private static MemcachedReply? Read(string text)
    {
        var bytes = new ReadOnlySequence<byte>(Encoding.Latin1.GetBytes(text));
        return MemcachedWire.TryRead(ref bytes, out var reply) ? reply : null;
    }

    private static string Written(MemcachedCommand command)
    {
        var output = new ArrayBufferWriter<byte>();
        MemcachedWire.Write(output, command, 7);
        return Encoding.ASCII.GetString(output.WrittenSpan);
    }
}
