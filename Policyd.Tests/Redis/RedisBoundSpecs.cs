using System.Text;
using CsCheck;
using Policyd.Backends.Redis;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Tests.Support;
using StackExchange.Redis;

namespace Policyd.Tests.Redis;

/// <summary>
/// Whatever a Redis, or what stands in its place, sends: what is kept of it has a bound. And when it is back, it is asked.
/// </summary>
public sealed class RedisBoundSpecs(ITestOutputHelper output) : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _open = [];
    private readonly LogCapture _log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, int> Replies => new()
    {
        { "+OK\r\n", 100 },
        { "$5\r\na\nb\r\n\r\n", 100 },
        { "$-1\r\n_\r\n:12\r\n#t\r\n,1.5\r\n(123\r\n", 10 },
        { "*3\r\n$1\r\na\r\n*-1\r\n*2\r\n:1\r\n%1\r\n+a\r\n+b\r\n", 100 },
        { "*0\r\n~0\r\n>2\r\n+m\r\n$0\r\n\r\n|1\r\n+a\r\n+b\r\n:1\r\n", 100 },
        { $"${RedisReplyBound.MaxValueBytes}\r\n{new string('$', RedisReplyBound.MaxValueBytes)}\r\n", 3 },
    };

    public static TheoryData<string> TooLarge =>
    [
        "$104857600\r\n", "=2097153\r\n", "!99999999999999999999\r\n", "+" + new string('x', 70_000), "*" + new string('1', 70_000),
        string.Concat(Enumerable.Repeat("*2\r\n", 20)), "*9999999\r\n"
            + string.Concat(Enumerable.Repeat("$1000\r\n" + new string('x', 1000) + "\r\n", 2200)), "%999999999\r\n" + new string(':', 1),
    ];

    [Fact]
    public void Message_of_a_broken_connection_leaves_out_the_state_of_the_library() => Assert.Equal(
        "SocketClosed on 127.0.0.1:6379/Interactive",
        RedisClient.ShortMessage(new RedisConnectionException(
            ConnectionFailureType.SocketClosed,
            CommandFlags.None,
            "SocketClosed on 127.0.0.1:6379/Interactive, Idle/RanToCompletion, last: GETRANGE, origin: ReadAllAsync, outstanding: 2",
            new IOException(),
            CommandStatus.Unknown)));

    public async ValueTask DisposeAsync()
    {
        _open.Reverse();
        foreach (var one in _open)
        {
            await one.DisposeAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Replies))]
    public void Replies_pass_however_they_are_cut(string reply, int times) => Gen.Int[1, 50_000].Sample(
        piece =>
        {
            var bound = new RedisReplyBound();
            var bytes = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(reply, times)));
            for (var at = 0; at < bytes.Length; at += piece)
            {
                bound.Take(bytes.AsSpan(at, Math.Min(piece, bytes.Length - at)));
            }
        },
        iter: 20);

    [Theory]
    [MemberData(nameof(TooLarge))]
    public void Reply_that_is_too_large_is_refused(string reply)
    {
        var bound = new RedisReplyBound();
        bound.Take("+OK\r\n$3\r\nabc\r\n"u8);
        var more = Encoding.ASCII.GetBytes(new string('x', 10_000) + "\r\n");
        Assert.Throws<IOException>(() =>
        {
            bound.Take(Encoding.ASCII.GetBytes(reply));
            for (var i = 0; i < 300; i++)
            {
                bound.Take(more);
            }
        });
    }

    [Fact]
    public async Task Server_that_answers_all_with_a_hundred_megabytes_is_cut_off()
    {
        await using var hostile = new OneAnswerServer([.. "$104857600\r\n"u8, .. new byte[10_000_000]]);
        var cache = Cache(hostile.Port);
        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<CacheException>(async () => await cache.GetAsync("a", Cancel));
        }
    }

    [ServerTest]
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_that_was_long_away_is_asked_as_soon_as_it_is_back(bool hangs)
    {
        var server = Own(await RedisServer.StartNew());
        var cache = Cache(server.Port);
        await Eventually.Holds("the first connection", async () => await WorksAsync(cache));
        await (hangs ? server.Freeze() : server.Kill());
        var away = System.Diagnostics.Stopwatch.StartNew();
        await Eventually.Holds("several failed probes", async () => !await WorksAsync(cache) && away.Elapsed > TimeSpan.FromSeconds(8));
        await (hangs ? server.Thaw() : server.Start());
        var back = System.Diagnostics.Stopwatch.StartNew();
        await Eventually.Holds("it to serve again", async () => await WorksAsync(cache));
        Summary.Line(output, $"Redis that {(hangs ? "hung" : "was down")}: used again after {back.Elapsed.TotalSeconds:0.0} s");
    }

    private static async Task<bool> WorksAsync(RedisClient cache)
    {
        try
        {
            await cache.SetAsync("a", "1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel);
            return true;
        }
        catch (CacheException)
        {
            return false;
        }
    }

    private T Own<T>(T one)
        where T : IAsyncDisposable
    {
        _open.Add(one);
        return one;
    }

    private RedisClient Cache(int port) =>
        Own((RedisClient)new RedisConnectionOptions { Server = $"127.0.0.1:{port}" }.Open(
            new ConnectionSetup("c", TimeProvider.System, _log.CreateLogger("c"))));
}
