using System.Text;
using CsCheck;
using Policyd.Engine.Sessions;
using Policyd.Plugins.Sessions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sessions;

public sealed class MemorySessionStoreSpecs
{
    private const int Rounds = 1_000;

    // The naive model: a list in the order of storing. One shard, so that the bound is the whole store's.
    [Fact]
    public void Memory_store_behaves_as_a_list_in_order_of_storing() =>
        Gen.Select(Gen.Int[0, 60], Gen.Int[0, 4], Gen.Bool, Gen.Int[0, 40]).List[0, 300].Sample(steps =>
        {
            const long MaxBytes = 5000;
            const long Capacity = MaxBytes - 3 * 64;   // less three segments of the ring
            var clock = new ManualClock();
            var store = new MemorySessionStore(MaxBytes, TimeSpan.FromSeconds(100), clock);
            var model = new List<(string Instance, string? Json, long Expires, long Bytes)>();
            long Bytes() => model.Sum(static one => one.Bytes + (one.Json is null ? 0 : 16));

            foreach (var (id, values, load, seconds) in steps)
            {
                clock.Advance(TimeSpan.FromSeconds(seconds));
                var now = clock.GetTimestamp();
                for (var dropped = 0; dropped < 64 && model.Count > 0 && (model[0].Json is null || model[0].Expires <= now); dropped++)
                {
                    model.RemoveAt(0);
                }

                var instance = "i" + id;
                var before = model.FindIndex(one => one.Instance == instance && one.Json is not null);
                if (load)
                {
                    var expected = before < 0 || model[before].Expires <= now ? null : model[before].Json;
                    Assert.Equal(expected, Load(store, instance) is { } found ? Json(found) : null);
                    continue;
                }

                var session = new Session();
                for (var value = 0; value < values; value++)
                {
                    session["v" + value] = "x" + seconds;
                }

                Store(store, instance, session);
                if (before >= 0 && before == model.Count - 1)
                {
                    model.RemoveAt(before);
                }
                else if (before >= 0)
                {
                    model[before] = model[before] with { Json = null };
                }

                if (values > 0)
                {
                    var texts = session.Keys.Sum(key => 1 + key.Length + 1 + session[key]!.Length);
                    var bytes = (32 + 1 + instance.Length + 1 + texts + 7) / 8 * 8;
                    while (Bytes() + bytes + 16 > Capacity)
                    {
                        model.RemoveAt(0);
                    }

                    model.Add((instance, Json(session), now + 100 * clock.TimestampFrequency, bytes));
                }

                Assert.Equal(Bytes(), store.Bytes);
                Assert.Equal(model.Count(static one => one.Json is not null), store.Count);
            }
        });

    [Fact]
    public void Empty_instance_shares_nothing()
    {
        var store = Make();
        Store(store, "", new Session { ["a"] = "1" });
        Assert.Null(Load(store, ""));
        Assert.Equal(0, store.Count);
    }

    [Fact]
    public void What_is_stored_does_not_change_with_the_session_that_it_came_from()
    {
        var store = Make();
        var session = new Session { ["a"] = "1" };
        Store(store, "mail", session);
        session["a"] = "2";
        Load(store, "mail")!["a"] = "3";
        Assert.Equal("1", Load(store, "mail")!["a"]);
        Store(store, "mail", session);
        Assert.Equal("2", Load(store, "mail")!["a"]);
    }

    [Fact]
    public void Nothing_is_kept_of_a_session_that_is_empty_or_has_become_so()
    {
        var store = Make();
        Store(store, "mail", new Session());
        Assert.Equal((0, 0, 0), (store.Count, store.Bytes, store.Reserved));
        Store(store, "mail", new Session { ["a"] = "1" });
        var session = Load(store, "mail")!;
        session.Clear();
        Store(store, "mail", session);
        Assert.Null(Load(store, "mail"));
        Assert.Equal(0, store.Count);
    }

    [Fact]
    public void A_session_that_is_too_large_is_not_kept_and_neither_is_the_one_before_it()
    {
        var store = Make();
        Store(store, "other", new Session { ["a"] = "1" });
        Store(store, "mail", new Session { ["a"] = "1" });
        Store(store, "mail", new Session { ["a"] = new string('x', 900_000) });
        Assert.Equal(900_000, Load(store, "mail")!["a"]!.Length);
        Store(store, "mail", new Session { ["a"] = new string('x', 1_100_000) });
        Assert.Null(Load(store, "mail"));
        Store(store, "other", new Session { ["a"] = "1" });
        Store(store, new string('i', 1_100_000), new Session { ["a"] = "1" });
        Assert.Equal(1, store.Count);
    }

    [Theory]
    [InlineData("\u00e4.\u00ff")]
    [InlineData("\u0416")]
    [InlineData("\ud800")]
    public void Instances_of_any_characters_are_told_apart(string instance)
    {
        var store = Make();
        Store(store, instance, new Session { ["a"] = "1" });
        Assert.Equal("1", Load(store, instance)!["a"]);
        Assert.Null(Load(store, instance + "\u0001"));
        Assert.Null(Load(store, new string([.. instance.Select(static c => (char)(byte)c), '\u0004'])));
    }

    [Fact]
    public void A_session_that_never_expires_stays()
    {
        var store = new MemorySessionStore(1 << 20, TimeSpan.MaxValue, TimeProvider.System);
        Store(store, "mail", new Session { ["a"] = "1" });
        Assert.NotNull(Load(store, "mail"));
    }

    [Fact]
    public async Task Memory_does_not_grow_beyond_the_bound_however_many_sessions_there_are()
    {
        const long MaxBytes = 4 << 20;
        var store = new MemorySessionStore(MaxBytes, TimeSpan.FromDays(1), TimeProvider.System);
        var session = new Session { ["score"] = "5", ["score_detail"] = "noptr=5" };
        var instances = Enumerable.Range(0, 150_000).Select(static id => $"1a2b.{id:x}.0").ToArray();
        Fill();
        var most = store.Count;
        Assert.InRange(store.Reserved, MaxBytes * 17 / 20, MaxBytes);
        Assert.InRange(store.Bytes, MaxBytes * 9 / 10, MaxBytes);

        // Full, it needs no memory any more.
        var next = 0;
        await AllocatesAtMost(0, "storing into a full store", () => Store(store, instances[next++ % instances.Length], session));
        Fill();
        Assert.InRange(store.Reserved, MaxBytes * 17 / 20, MaxBytes);
        Assert.InRange(store.Count, most - most / 20, most + most / 20);
        Assert.NotNull(Load(store, instances[^1]));
        Assert.Null(Load(store, instances[0]));

        void Fill()
        {
            foreach (var instance in instances)
            {
                Store(store, instance, session);
            }
        }
    }

    [Fact]
    public async Task Neither_loading_an_absent_session_nor_storing_an_empty_one_allocates()
    {
        var store = Make();
        var (empty, small) = (new Session(), new Session { ["score"] = "5", ["score_detail"] = "noptr=5" });
        Store(store, "there", small);
        await AllocatesAtMost(0, "loading an absent session", () => Load(store, "absent"));
        await AllocatesAtMost(0, "storing an empty session", () => Store(store, "absent", empty));
        await AllocatesAtMost(0, "storing a session", () => Store(store, "there", small));

        // The session, the array of its two values, and four texts.
        await AllocatesAtMost(320, "loading a session", () => Load(store, "there"));
        Assert.NotNull(Load(store, "there"));
    }

    [Fact]
    public async Task Many_threads_find_whole_sessions_only()
    {
        const int Rounds = 20_000;
        var store = new MemorySessionStore(200_000, TimeSpan.FromDays(1), TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            var random = new Random(thread);
            for (var round = 0; round < Rounds; round++)
            {
                var instance = "mail" + random.Next(1_000);
                if (Load(store, instance) is { } found)
                {
                    Assert.Equal(instance, found["instance"]);
                    Assert.Equal(int.Parse(found["length"]!), found["text"]!.Length);
                }

                var length = random.Next(400);
                var session = new Session { ["instance"] = instance, ["length"] = $"{length}", ["text"] = new string('x', length) };
                Store(store, instance, session);
            }
        })));
        Assert.InRange(store.Bytes, 100_000, 200_000);
    }

    private static string Json(Session session) => Encoding.UTF8.GetString(session.ToJson());

    private static MemorySessionStore Make() => new(1 << 20, TimeSpan.FromMinutes(5), TimeProvider.System);

    private static Session? Load(MemorySessionStore store, string instance)
    {
        var load = store.LoadAsync(instance, CancellationToken.None);
        return load.IsCompletedSuccessfully ? load.Result : throw new InvalidOperationException("It was not loaded at once.");
    }

    private static void Store(MemorySessionStore store, string instance, Session session)
    {
        var done = store.StoreAsync(instance, session, CancellationToken.None);
        if (!done.IsCompletedSuccessfully)
        {
            throw new InvalidOperationException("It was not stored at once.");
        }
    }

    // What the first compilation of a method allocates is gone when it is compiled again, which happens in the background.
    private static Task AllocatesAtMost(long bytes, string what, Action action) =>
        Eventually.Holds($"{what} to allocate at most {bytes} bytes", () =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var round = 0; round < Rounds; round++)
            {
                action();
            }

            return GC.GetAllocatedBytesForCurrentThread() - before <= bytes * Rounds;
        });
}
