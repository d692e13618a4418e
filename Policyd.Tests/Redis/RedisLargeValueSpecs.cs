using Policyd.Backends.Redis;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Tests.Support;
using StackExchange.Redis;

namespace Policyd.Tests.Redis;

/// <summary>
/// What another program has put under a key may have any size. The garbage that is bounded here is that of the whole process, so no other
/// test runs meanwhile.
/// </summary>
[Collection(Alone.Name)]
public sealed class RedisLargeValueSpecs
{
    private const string TooLarge = "larger than the maximum of 1000000 bytes";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [ServerTest]
    [Fact]
    public async Task Value_of_a_hundred_megabytes_is_an_error_of_its_key_and_is_not_read()
    {
        await using var server = await RedisServer.StartNew();
        await using var cache = (RedisClient)new RedisConnectionOptions { Server = $"127.0.0.1:{server.Port}" }.Open(
            new ConnectionSetup("c", TimeProvider.System, new LogCapture().CreateLogger("c")));
        await Eventually.Holds(
            "a value to be taken",
            async () => await FailureAsync(() => cache.SetAsync("good", "1"u8.ToArray(), TimeSpan.FromMinutes(5), Cancel)) is null);
        await using (var other = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{server.Port}"))
        {
            await other.GetDatabase().StringSetRangeAsync("huge", 100_000_000, "x");
        }

        // The client waits a second for an answer. A busy machine may take longer, and is asked again.
        var asked = 0;
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var round = 0; round < 5; round++)
        {
            await Eventually.Holds("the value to be refused for its size", async () =>
            {
                asked++;
                var failure = await FailureAsync(async () => Assert.Null(await cache.GetAsync("huge", Cancel)));
                Assert.NotNull(failure);
                return failure.Contains(TooLarge, StringComparison.Ordinal);
            });
            await Eventually.Holds(
                "the other key's value",
                async () => await FailureAsync(async () => Assert.NotNull(await cache.GetAsync("good", Cancel))) is null);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, asked * 12_000_000L);
        var large = await FailureAsync(() => cache.SetAsync("large", new byte[1_000_001], TimeSpan.FromMinutes(5), Cancel));
        Assert.NotNull(large);
    }

    private static async Task<string?> FailureAsync(Func<ValueTask> ask)
    {
        try
        {
            await ask();
            return null;
        }
        catch (CacheException failure)
        {
            return failure.Message;
        }
    }
}
