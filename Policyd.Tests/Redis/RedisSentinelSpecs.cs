using System.Text;
using Policyd.Backends.Redis;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Tests.Support;

namespace Policyd.Tests.Redis;

/// <summary>A master, its replica and three sentinels, all real: the master dies, and nobody has to tell the server.</summary>
[ServerTest]
public sealed class RedisSentinelSpecs : IAsyncDisposable
{
    private const string Password = "s3cret";
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    private readonly List<IAsyncDisposable> _open = [];
    private readonly LogCapture _log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _open.Reverse();
        foreach (var one in _open)
        {
            await one.DisposeAsync();
        }
    }

    [Fact]
    public async Task The_replica_that_the_sentinels_make_the_master_is_found_and_every_ask_meanwhile_ends()
    {
        var master = Own(await RedisServer.StartNew(Password));
        var replica = Own(await RedisServer.StartNew(Password, master));
        var sentinels = new List<RedisSentinel>();
        for (var number = 0; number < 3; number++)
        {
            sentinels.Add(Own(await RedisSentinel.StartNew(master, Password, quorum: 2)));
        }

        await Eventually.Holds("each sentinel to know the others and the replica", () => AllKnowAll(sentinels), Timeout);
        var cache = Own((RedisClient)new RedisConnectionOptions
        {
            // One that is not there: the next is asked.
            Sentinels = [$"127.0.0.1:{FreePort.Next()}", .. sentinels.Select(sentinel => $"127.0.0.1:{sentinel.Port}")],
            Service = RedisSentinel.Service,
            Password = Password,
        }.Open(new ConnectionSetup("c", TimeProvider.System, _log.CreateLogger("test"))));
        await Eventually.Holds("the first value to be taken", () => SetsAsync(cache, "before"), Timeout);
        Assert.Equal("before", await AskAsync(master.Port, "GET", "value"));
        await Eventually.Holds("the replica to have it", async () => await AskAsync(replica.Port, "GET", "value") == "before", Timeout);

        await master.Kill();
        await Eventually.Holds(
            $"the replica to take values; the log says: {string.Join("; ", _log.Lines)}", () => SetsAsync(cache, "after"), Timeout);
        Assert.Equal("after", await AskAsync(replica.Port, "GET", "value"));
        Assert.Equal("after", Encoding.UTF8.GetString((await cache.GetAsync("value", Cancel))!));
        Assert.Empty(_log.Containing(Password));
    }

    // An ask that had no end would end the test by its deadline.
    private static async Task<bool> SetsAsync(RedisClient cache, string value)
    {
        try
        {
            await cache.SetAsync("value", Encoding.UTF8.GetBytes(value), TimeSpan.FromHours(1), Cancel);
            return true;
        }
        catch (CacheException)
        {
            return false;
        }
    }

    private static async Task<bool> AllKnowAll(List<RedisSentinel> sentinels)
    {
        foreach (var sentinel in sentinels)
        {
            var known = (await AskAsync(sentinel.Port, "SENTINEL", "MASTER", RedisSentinel.Service)).Split('\n');
            if (!(Value(known, "num-slaves") == "1" && Value(known, "num-other-sentinels") == "2" && Value(known, "flags") == "master"))
            {
                return false;
            }
        }

        return true;
    }

    private static string? Value(string[] lines, string name) =>
        Array.IndexOf(lines, name) is >= 0 and var at && at + 1 < lines.Length ? lines[at + 1] : null;

    private static async Task<string> AskAsync(int port, params string[] command)
    {
        var (_, output) = await ProcessUnderTest.Run(
            Needs.Program("redis-cli"), ["-h", "127.0.0.1", "-p", $"{port}", "-a", Password, "--no-auth-warning", .. command]);
        return output.Trim();
    }

    private T Own<T>(T one)
        where T : IAsyncDisposable
    {
        _open.Add(one);
        return one;
    }
}
