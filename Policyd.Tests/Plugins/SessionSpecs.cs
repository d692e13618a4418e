using CsCheck;
using Policyd.Plugins.Sessions;

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
    public void Key_that_is_null_is_the_fault_of_whoever_uses_it()
    {
        var session = new Session();
        Assert.Throws<ArgumentNullException>(() => session[null!] = "1");
        Assert.Throws<ArgumentNullException>(() => session.TrySet(null!));
        Assert.Throws<ArgumentNullException>(() => session.Set(null!, 1));
        Assert.Equal("{}", System.Text.Encoding.UTF8.GetString(session.ToJson()));
    }

    [Fact]
    public void Text_cut_within_a_pair_of_surrogates_is_stored_all_the_same()
    {
        var session = new Session { ["a"] = "x\ud83d", ["b\ude00"] = "2" };
        var copy = Session.FromJson(session.ToJson());
        Assert.Equal("x\ufffd", copy["a"]);
        Assert.Equal("2", copy["b\ufffd"]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(SessionEntries.Few + 1)]
    public void Snapshot_is_changed_by_nothing_that_is_done_to_the_session_or_to_what_was_restored_from_it(int values)
    {
        var session = new Session { IsStored = true };
        for (var value = 0; value < values; value++)
        {
            session[$"k{value}"] = "v";
        }

        var (json, bytes) = (session.ToJson(), session.Bytes);
        var snapshot = session.Snapshot();
        session["k0"] = "changed";
        session.Remove("k1");
        session["new"] = "1";
        var restored = session.Restored(snapshot);
        Assert.Equal(json, restored.ToJson());
        Assert.Equal((bytes, true), (restored.Bytes, restored.IsStored));
        restored["k0"] = "changed too";
        restored.Remove("k2");
        Assert.Equal(json, session.Restored(snapshot).ToJson());
        Assert.Equal("changed", session["k0"]);
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
}
