using CsCheck;
using Policyd.Plugins.Sessions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

public sealed class SessionSpecs
{
    [Fact]
    public void Session_survives_json_with_text_and_other_values()
    {
        var session = new Session { ["a"] = "1", ["ü"] = "x\n\"" };
        session.Set("n", 2.5);
        session.Set("l", Enumerable.Range(1, 2));
        var copy = Session.FromJson(session.ToJson());
        Assert.Equal(session.ToJson(), copy.ToJson());
        Assert.Equal(session.Bytes, copy.Bytes);
        Assert.True(copy.TryGet<int[]>("l", out var list));
        Assert.Equal([1, 2], list!);
        Assert.Equal("2.5", copy["n"]);
    }

    [Fact]
    public void Session_counts_its_bytes_whatever_is_done() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 9]).List[0, 60].Sample(steps =>
        {
            var session = new Session();
            foreach (var (key, length) in steps)
            {
                session["k" + key] = length == 0 ? null : new string('x', length);
            }

            Assert.Equal(session.Keys.Sum(key => Session.EntryOverhead + 2L * (key.Length + session[key]!.Length)), session.Bytes);
        });

    // The naive model: a list in the order of storing. One shard, so that the bound is the whole store's.
    [Fact]
    public void Memory_store_behaves_as_a_list_in_order_of_storing() =>
        Gen.Select(Gen.Int[0, 12], Gen.Int[0, 3], Gen.Bool, Gen.Int[0, 40]).List[0, 120].Sample(steps =>
        {
            const long MaxBytes = 5000;
            var clock = new ManualClock();
            var store = new MemorySessionStore(MaxBytes, TimeSpan.FromSeconds(100), clock);
            var model = new List<(string Instance, Session Session, long Expires, long Bytes)>();
            foreach (var (id, values, load, seconds) in steps)
            {
                clock.Advance(TimeSpan.FromSeconds(seconds));
                model.RemoveAll(one => one.Expires <= clock.GetTimestamp());
                var instance = "i" + id;
                if (load)
                {
                    var found = store.LoadAsync(instance, default).AsTask().Result;
                    var expected = model.Find(one => one.Instance == instance).Session;
                    Assert.True(expected is null ? found.Count == 0 : ReferenceEquals(found, expected));
                    continue;
                }

                var session = new Session();
                for (var value = 0; value <= values; value++)
                {
                    session["v" + value] = "x";
                }

                store.StoreAsync(instance, session, default).AsTask().Wait();
                model.RemoveAll(one => one.Instance == instance);
                model.Add((instance, session, clock.GetTimestamp() + 100 * clock.TimestampFrequency, MemorySessionStore.SessionOverhead + 2 * instance.Length + session.Bytes));
                while (model.Sum(one => one.Bytes) > MaxBytes)
                {
                    model.RemoveAt(0);
                }

                Assert.Equal(model.Sum(one => one.Bytes), store.Bytes);
                Assert.Equal(model.Count, store.Count);
            }
        });

    [Fact]
    public async Task Empty_instance_shares_nothing()
    {
        var store = new MemorySessionStore(1 << 20, TimeSpan.FromSeconds(1), TimeProvider.System);
        await store.StoreAsync("", new Session { ["a"] = "1" }, TestContext.Current.CancellationToken);
        Assert.Null((await store.LoadAsync("", TestContext.Current.CancellationToken))["a"]);
    }
}
