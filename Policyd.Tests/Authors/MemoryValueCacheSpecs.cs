using System.Text;
using Policyd.Plugins.Caches;
using Policyd.Tests.Support;

namespace Policyd.Tests.Authors;

/// <summary>The cache in memory: its times and its bounds.</summary>
public sealed class MemoryValueCacheSpecs
{
    private readonly ManualClock _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Values_are_set_added_found_and_forgotten_and_go_after_their_time()
    {
        var cache = new MemoryValueCache(_clock);
        Assert.Null(await cache.GetAsync("a", Cancel));
        Assert.True(await cache.AddAsync("a", "1"u8.ToArray(), TimeSpan.FromSeconds(10), Cancel));
        Assert.False(await cache.AddAsync("a", "2"u8.ToArray(), TimeSpan.FromSeconds(90), Cancel));
        Assert.Equal("1", await TextAsync(cache, "a"));
        _clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal("1", await TextAsync(cache, "a"));
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Null(await cache.GetAsync("a", Cancel));
        Assert.Equal((0, 0L), cache.Size);
        Assert.True(await cache.AddAsync("a", "3"u8.ToArray(), TimeSpan.FromSeconds(10), Cancel));
        await cache.SetAsync("a", "4"u8.ToArray(), TimeSpan.FromSeconds(20), Cancel);
        _clock.Advance(TimeSpan.FromSeconds(15));
        Assert.Equal("4", await TextAsync(cache, "a"));
        Assert.True(await cache.DeleteAsync("a", Cancel));
        Assert.False(await cache.DeleteAsync("a", Cancel));
        Assert.Equal((0, 0L), cache.Size);
    }

    [Fact]
    public async Task Past_the_bound_of_entries_what_was_not_used_for_the_longest_time_goes()
    {
        var cache = new MemoryValueCache(_clock, mostEntries: 3);
        foreach (var key in new[] { "a", "b", "c" })
        {
            await cache.SetAsync(key, "1"u8.ToArray(), TimeSpan.FromDays(1), Cancel);
        }

        Assert.NotNull(await cache.GetAsync("a", Cancel));
        await cache.SetAsync("d", "1"u8.ToArray(), TimeSpan.FromDays(1), Cancel);
        Assert.Null(await cache.GetAsync("b", Cancel));
        Assert.NotNull(await cache.GetAsync("a", Cancel));
        Assert.Equal(3, cache.Size.Entries);
    }

    [Fact]
    public async Task Bytes_are_bounded_whatever_strangers_make_keys_of()
    {
        var cache = new MemoryValueCache(_clock, mostBytes: 100_000);
        for (var number = 0; number < 1000; number++)
        {
            await cache.SetAsync(new string('k', 500) + number, new byte[1000], TimeSpan.FromDays(1), Cancel);
            Assert.InRange(cache.Size.Bytes, 0, 100_000);
        }

        Assert.InRange(cache.Size.Entries, 30, 60);
        await cache.SetAsync("huge", new byte[200_000], TimeSpan.FromDays(1), Cancel);
        Assert.Equal((0, 0L), cache.Size);
        await Assert.ThrowsAsync<CacheException>(
            () => cache.SetAsync("a", new byte[MemoryValueCache.MostValueBytes + 1], TimeSpan.FromDays(1), Cancel).AsTask());
    }

    [Fact]
    public async Task What_a_caller_does_with_a_value_changes_nothing_for_others()
    {
        var cache = new MemoryValueCache(_clock);
        var value = "1"u8.ToArray();
        await cache.SetAsync("a", value, TimeSpan.FromDays(1), Cancel);
        value[0] = (byte)'2';
        (await cache.GetAsync("a", Cancel))![0] = (byte)'3';
        Assert.Equal("1", await TextAsync(cache, "a"));
    }

    private static async Task<string?> TextAsync(MemoryValueCache cache, string key) =>
        await cache.GetAsync(key, Cancel) is { } value ? Encoding.UTF8.GetString(value) : null;
}
