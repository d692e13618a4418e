using CsCheck;
using Policyd.Engine.Sessions;
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

    [Theory]
    [InlineData("{\"a\":\"\\ud800\"}")]
    [InlineData("{\"\\udc00\":1}")]
    [InlineData("{\"a\":[{\"b\":\"\\ud83d\"}]}")]
    public void Session_of_broken_text_is_none(string json) =>
        Assert.ThrowsAny<System.Text.Json.JsonException>(() => Session.FromJson(System.Text.Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Text_cut_within_a_pair_of_surrogates_is_stored_all_the_same()
    {
        var session = new Session { ["a"] = "x\ud83d", ["b\ude00"] = "2" };
        var copy = Session.FromJson(session.ToJson());
        Assert.Equal("x\ufffd", copy["a"]);
        Assert.Equal("2", copy["b\ufffd"]);
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

    // Few values and many are kept in two ways; the keys go to and fro between them.
    [Fact]
    public void Session_is_a_map_however_many_values_it_has() =>
        Gen.Select(Gen.Int[0, 3 * SessionEntries.Few / 2], Gen.Int[0, 9]).List[0, 80].Sample(steps =>
        {
            var session = new Session();
            var model = new Dictionary<string, string>();
            foreach (var (number, what) in steps)
            {
                var key = "k" + number;
                switch (what)
                {
                    case 0 when number == 0:
                        session.Clear();
                        model.Clear();
                        break;
                    case 1 when number == 0:
                        var left = session;
                        session = session.Detach();
                        Assert.Empty(left.Keys);
                        break;
                    case <= 3:
                        Assert.Equal(model.Remove(key), session.Remove(key));
                        break;
                    case 4:
                        Assert.Equal(model.TryAdd(key, "1"), session.TrySet(key));
                        break;
                    default:
                        session[key] = model[key] = $"{number} {what}";
                        break;
                }

                Assert.Equal(model.Count, session.Count);
                Assert.Equal(model.ContainsKey(key), session.Has(key));
                Assert.Equal(model.OrderBy(one => one.Key), session.Keys.Order().Select(k => KeyValuePair.Create(k, session[k]!)));
            }

            var copy = Session.FromJson(session.ToJson());
            Assert.Equal(model.OrderBy(one => one.Key), copy.Keys.Order().Select(k => KeyValuePair.Create(k, copy[k]!)));
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
                model.Add((
                    instance,
                    session,
                    clock.GetTimestamp() + 100 * clock.TimestampFrequency,
                    MemorySessionStore.SessionOverhead + 2 * instance.Length + session.Bytes));
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
