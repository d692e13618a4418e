using System.Buffers;
using CsCheck;
using Policyd.Plugins.Sessions;

namespace Policyd.Tests.Sessions;

public sealed class SessionBinarySpecs
{
    private static readonly Gen<string> s_text = Gen.OneOf(
        Gen.String[0, 40],
        Gen.String[Gen.Char['\0', '\u00ff'], 0, 200],
        Gen.String[Gen.Char['\ud700', '\ue0ff'], 0, 5]);

    private static readonly string[] s_list = ["\u00e4", "\ud83d\ude00"];

    [Fact]
    public void Every_session_comes_back_exactly() =>
        Gen.Select(s_text, s_text, Gen.Bool).List[0, 3 * SessionEntries.Few].Sample(values =>
        {
            var session = new Session();
            foreach (var (key, text, isJson) in values)
            {
                if (isJson)
                {
                    session.Set(key, new[] { text.Length, -1 });
                }
                else
                {
                    session[key] = text;
                }
            }

            var copy = CopyOf(session);
            Assert.Equal(session.Keys, copy.Keys);
            Assert.All(session.Keys, key => Assert.Equal(session[key], copy[key], StringComparer.Ordinal));
            Assert.Equal(session.ToJson(), copy.ToJson());
            Assert.Equal(session.Bytes, copy.Bytes);
        });

    [Fact]
    public void Text_that_looks_like_json_stays_text_and_json_stays_json()
    {
        var session = new Session { ["text"] = "null" };
        session.Set<string?>("json", null);
        session.Set("list", s_list);
        var copy = CopyOf(session);
        Assert.True(copy.TryGet<string>("text", out var text));
        Assert.True(copy.TryGet<string>("json", out var json));
        Assert.True(copy.TryGet<string[]>("list", out var list));
        Assert.Equal(("null", null), (text, json));
        Assert.Equal(s_list, list!);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(127)]
    [InlineData(5_000)]
    [InlineData(3_000_000)]
    public void Values_of_any_length_come_back(int length)
    {
        var session = new Session
        {
            ["latin"] = new string('\u00fc', length),
            ["wide"] = new string('\u0416', length),
            [new string('k', length)] = "",
        };
        Assert.Equal(session.ToJson(), CopyOf(session).ToJson());
    }

    [Fact]
    public void Values_above_the_limit_are_not_written()
    {
        var session = new Session { ["key"] = new string('x', 1000) };
        var buffer = ArrayPool<byte>.Shared.Rent(16);
        var before = buffer;
        Assert.InRange(session.WriteBinary(ref buffer, 10, most: 1000), 1001, long.MaxValue);
        Assert.Same(before, buffer);
        Assert.Equal(10 + 1 + 1 + 3 + 2 + 1000, session.WriteBinary(ref buffer, 10, most: 2000));
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private static Session CopyOf(Session session)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(16);
        buffer.AsSpan(0, 5).Fill(0xaa);
        var length = (int)session.WriteBinary(ref buffer, 5, long.MaxValue);
        Assert.All(buffer[..5], static one => Assert.Equal(0xaa, one));
        var copy = SessionBinary.Read(buffer.AsSpan(5, length - 5));
        ArrayPool<byte>.Shared.Return(buffer);
        return copy;
    }
}
