using System.Buffers;
using System.Text;
using System.Text.Json;
using Policyd.Engine.Logging;
using Policyd.Plugins.Logging;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>The values of the log's lines: what a stranger sends looks like nothing but a value.</summary>
public sealed class LogValueSpecs
{
    [Theory]
    [InlineData("a.b-1@example.org", "a.b-1@example.org")]
    [InlineData("[2001:db8::1]", "[2001:db8::1]")]
    [InlineData("", "\"\"")]
    [InlineData("a action=dunno", "\"a action=dunno\"")]
    [InlineData("a=b", "\"a=b\"")]
    [InlineData("say \"x\" \\ y", "\"say \\\"x\\\" \\\\ y\"")]
    [InlineData("a\nb\r\t\u001b[31m\u007f", "\"a\\nb\\r\\t\\x1b[31m\\x7f\"")]
    [InlineData("müller@exämple.org", "\"müller@exämple.org\"")]
    [InlineData("\u009b\u202e\u00a0\ufeff\u2028\ue000", "\"\\u009b\\u202e\\u00a0\\ufeff\\u2028\\ue000\"")]
    [InlineData("😀\U000e0001", "\"😀\\U000e0001\"")]
    public void A_value_stands_bare_or_in_quotes(string value, string expected) => Assert.Equal(expected, LogValue.Quote(value));

    [Fact]
    public void A_byte_that_is_no_utf8_is_shown_as_it_came()
    {
        var line = new ArrayBufferWriter<byte>();
        LogValue.Append(line, [(byte)'a', 0xff, 0xc3, (byte)'b', 0xe2, 0x82]);
        Assert.Equal("\"a\\xff\\xc3b\\xe2\\x82\"", Encoding.UTF8.GetString(line.WrittenSpan));
    }

    [Theory]
    [InlineData('x', 401)]
    [InlineData('ä', 300)]
    [InlineData('\u001b', 200)]
    public void A_long_value_is_cut_between_characters_and_says_so(char one, int count)
    {
        var quoted = LogValue.Quote(new string(one, count));
        Assert.EndsWith("\"...", quoted, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(quoted), LogValue.MaxBytes - 5, LogValue.MaxBytes + 5);
        Assert.DoesNotContain('\ufffd', quoted);
    }

    [Fact]
    public void The_longest_line_of_a_request_has_a_place_in_syslog()
    {
        var request = PolicyRequestBuilder.AccessPolicy();
        foreach (var name in Enum.GetValues<PolicyAttribute>().Where(one => one != PolicyAttribute.Request))
        {
            request.Add(PolicyAttributes.NameOf(name), new string('\u009b', 1_000));
        }

        var long_ = new string('\u009b', 1_000);
        var line = new RequestRecord
        {
            VirtualHost = long_,
            Request = request.ToRequest(),
            Plugin = long_,
            Action = long_,
            Failure = long_,
            Scores = [new("score", long_, long_), new("other", long_, long_)],
        }.ToString();
        Assert.InRange(line.Length, 4_000, 8_000);
        Assert.EndsWith(" elapsed_ms=0.0", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_bytes_come_out_of_a_line_and_of_json_as_they_went_in()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 2_000; round++)
        {
            var bytes = new byte[random.Next(40)];
            foreach (ref var one in bytes.AsSpan())
            {
                one = round % 2 == 0 ? (byte)random.Next(256) : (byte)"\"\\ =\n\x1bxä…"[random.Next(9)];
            }

            var line = new ArrayBufferWriter<byte>();
            LogValue.Append(line, bytes);
            var fields = LogFields.Of("before=1 v=" + Encoding.UTF8.GetString(line.WrittenSpan) + " after=2");
            Assert.Equal(["before", "v", "after"], fields.Select(field => field.Name));
            Assert.Equal(bytes, fields[1].Value);

            line.ResetWrittenCount();
            line.Write("{\"first\":1"u8);
            new JsonMembers(line, whole: true).Text("v"u8, bytes);
            line.Write("}"u8);
            using var json = JsonDocument.Parse(line.WrittenMemory);
            Assert.Equal(Encoding.UTF8.GetString(bytes), json.RootElement.GetProperty("v").GetString());
            Assert.DoesNotContain((byte)'\n', line.WrittenSpan.ToArray());
        }
    }

    [Fact]
    public void Attributes_come_in_their_order_and_a_repeated_one_once()
    {
        var bytes = "request=smtpd_access_policy\nfoo=1\nsender=a\nbar=x=y\nsender=b\nfoo=2\r\n\xff=\n"u8.ToArray();
        Assert.True(PolicyRequestReader.TryRead(bytes, new RequestLimits(), out var request, out _));
        var found = new List<string>();
        var attributes = request.Utf8Attributes;
        while (attributes.MoveNext())
        {
            found.Add($"{Encoding.Latin1.GetString(attributes.Name)}={Encoding.Latin1.GetString(attributes.Value)}");
        }

        Assert.Equal(["request=smtpd_access_policy", "foo=2", "sender=b", "bar=x=y", Encoding.Latin1.GetString("\xff="u8)], found);
        Assert.Equal(request.Attributes.Select(one => one.Key).SkipLast(1), found.Select(one => one.Split('=')[0]).SkipLast(1));
        Assert.InRange(PolicyAttributes.Count, 1, 64);   // a bit each while they are walked
    }
}
