using System.Buffers;
using System.Text;
using Policyd.Engine.Decisions;
using Policyd.Engine.Logging;
using Policyd.Protocol;
using Policyd.Server.Logging;
using Policyd.Server.Recording;
using Policyd.Server.Replaying;
using Xunit;

namespace Policyd.Tests.Replaying;

/// <summary>A request in a file: what is recorded is what is read, and what cannot be read says so.</summary>
public sealed class RecordedRequestSpecs(ITestOutputHelper output)
{
    private static readonly DateTimeOffset s_time = new(2026, 11, 28, 10, 11, 12, 345, TimeSpan.FromHours(1));
    private static readonly ValueMask s_nothing = new([], []);

    [Fact]
    public void Any_request_is_read_as_it_was_recorded_also_from_the_log()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var number = 0; number < 500; number++)
        {
            var bytes = RandomRequest(random);
            var record = Record(bytes, "reject \u202e\"no\\\"", "quota \u00e4");
            foreach (var line in new[] { Recorded(record, s_nothing), Logged(record) })
            {
                Assert.DoesNotContain((byte)'\n', line[..^1]);
                Assert.True(RecordedRequest.TryRead(line, out var read, out var error), error);
                Assert.Equal(s_time, read!.Time);
                Assert.Equal(
                    ("x", "quota \u00e4", "reject \u202e\"no\\\"", false), (read.VirtualHost, read.Plugin, read.Action, read.IsCut));
                Assert.Equal(record.Request.Attributes, read.Request.Attributes);
                Assert.Equal(Utf8Values(record.Request), Utf8Values(read.Request));
            }
        }
    }

    [Fact]
    public void Name_of_a_decision_is_read_as_its_place_in_the_configuration()
    {
        const string Id = "38h647t271xg5c9g41fv";
        var record = Record("sender=a@b\n"u8.ToArray(), $"reject see {Id}, or {Id}", "p", Id);
        foreach (var line in new[] { Recorded(record, s_nothing), Logged(record) })
        {
            Assert.True(RecordedRequest.TryRead(line, out var read, out var error), error);
            Assert.Equal("reject see %ID%, or %ID%", read!.Action);
        }
    }

    [Fact]
    public void Request_without_an_answer_or_a_plugin_is_read()
    {
        var line = Recorded(Record("sender=a@b\n"u8.ToArray(), null, null), s_nothing);
        Assert.True(RecordedRequest.TryRead(line, out var read, out _));
        Assert.Equal((null, null), (read!.Action, read.Plugin));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\r")]
    [InlineData("{\"time\":\"2026-11-28T10:00:00+00:00\",\"level\":\"info\",\"message\":\"stopped\"}")]
    [InlineData("{\"time\":\"2026-11-28T10:00:00Z\",\"message\":\"request received\",\"virtual_host\":\"x\",\"request\":{\"a\":\"b\"}}")]
    public void What_is_no_answer_is_passed_over(string line)
    {
        Assert.False(RecordedRequest.TryRead(Encoding.UTF8.GetBytes(line), out _, out var error));
        Assert.Null(error);
    }

    [Theory]
    [InlineData("2026-11-28T10:00:00 notice: x: instance=1 action=dunno", "no JSON object")]
    [InlineData("{\"time\":", "not JSON: it is wrong, or ends, at byte 9")]
    [InlineData("Nov 28 mx policyd: {]", "not JSON: it is wrong, or ends, at byte 21")]
    [InlineData("{\"message\":\"request answered\",\"virtual_host\":\"x\",\"request\":{\"sender\":\"a\"}}", "time")]
    [InlineData("{\"time\":\"yesterday\",\"message\":\"request answered\",\"virtual_host\":\"x\",\"request\":{\"sender\":\"a\"}}", "time")]
    [InlineData("{\"time\":5,\"message\":\"request answered\"}", "another kind")]
    [InlineData("{ANSWER,\"request\":[1]}", "another kind")]
    [InlineData("{ANSWER,\"request\":{\"a\":1}}", "another kind")]
    [InlineData("{ANSWER,\"request\":{}}", "the request is none")]
    [InlineData(
        "{ANSWER,\"request\":{\"sender\":\"a\\u0000\"}}",
        "the request is none")]
    [InlineData(
        "{ANSWER,\"request\":{\"sender\":\"\\ud800\"}}",
        "another kind")]
    [InlineData("{ANSWER,\"request_base64\":\"?\"}", "another kind")]
    [InlineData(
        "{ANSWER,\"request\":{\"a\":\"b\"},\"request_cut\":true}",
        "was cut")]
    public void What_cannot_be_read_says_why(string line, string why)
    {
        const string Answer = "\"time\":\"2026-11-28T10:00:00Z\",\"message\":\"request answered\",\"virtual_host\":\"x\"";
        var bytes = Encoding.UTF8.GetBytes(line.Replace("ANSWER", Answer, StringComparison.Ordinal));
        Assert.False(RecordedRequest.TryRead(bytes, out _, out var error));
        Assert.Contains(why, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var whole = Recorded(Record("sender=a@b\nsize=5\n"u8.ToArray(), "dunno", "p"), s_nothing);
        for (var number = 0; number < 5_000; number++)
        {
            var line = whole.ToArray();
            for (var change = random.Next(4); change >= 0; change--)
            {
                line[random.Next(line.Length)] = (byte)random.Next(256);
            }

            RecordedRequest.TryRead(line.AsSpan(0, random.Next(line.Length)), out _, out _);
        }
    }

    [Fact]
    public void Masked_values_are_not_in_the_line_and_equal_ones_stay_equal()
    {
        var mask = new ValueMask(["sender", "recipient", "client_address", "client_name"], new byte[ValueMask.KeySize]);
        var one = Masked(
            "sender=Anna@Example.org\nrecipient=bob@example.org\nclient_address=192.0.2.7\nclient_name=mx.example.org\nsize=9\n");
        var other = Masked("sender=carl@example.ORG\nrecipient=\nclient_address=2001:db8::7\nclient_name=mx.example.org\n");
        Assert.Equal("9", one.Request["size"]);
        Assert.Matches("^[0-9a-f]{20}@[0-9a-f]{20}[.]invalid$", one.Request.Sender);
        Assert.Equal(one.Request.Sender.Split('@')[1], one.Request.Recipient.Split('@')[1]);
        Assert.Equal(one.Request.Sender.Split('@')[1], other.Request.Sender.Split('@')[1]);
        Assert.NotEqual(one.Request.Sender, other.Request.Sender);
        Assert.Equal("", other.Request["recipient"]);
        Assert.Matches("^2(4|5)[0-9][.]", one.Request.ClientAddress);
        Assert.StartsWith("2001:db8:", other.Request.ClientAddress, StringComparison.Ordinal);
        Assert.Equal(one.Request.ClientName, other.Request.ClientName);
        Assert.Equal(("550", true), (one.Action, one.IsCut));

        RecordedRequest Masked(string request)
        {
            var line = Recorded(Record(Encoding.UTF8.GetBytes(request), "550 Anna@Example.org is over quota", "p"), mask);
            var text = Encoding.UTF8.GetString(line);
            foreach (var hidden in new[] { "nna", "xample", "192.0.2.7", "db8::7", "mx." })
            {
                Assert.DoesNotContain(hidden, text, StringComparison.Ordinal);
            }

            Assert.True(RecordedRequest.TryRead(line, out var read, out var error), error);
            return read!;
        }
    }

    [Fact]
    public void Mask_hides_values_that_are_no_UTF8_and_needs_the_same_key()
    {
        byte[] bytes = [.. "sender=caf"u8, 0xe9, .. "@b.example\nhelo_name="u8, 0xff, (byte)'\n'];
        var record = Record(bytes, "dunno", null);
        var (one, other) = (Read(1), Read(2));
        Assert.Equal(one.Request.Sender, Read(1).Request.Sender);
        Assert.NotEqual(one.Request.Sender, other.Request.Sender);
        Assert.Equal([0xff], one.Request.Utf8(PolicyAttribute.HeloName).ToArray());

        RecordedRequest Read(byte key)
        {
            var line = Recorded(record, new ValueMask(["sender"], [.. Enumerable.Repeat(key, ValueMask.KeySize)]));
            Assert.True(RecordedRequest.TryRead(line, out var read, out var error), error);
            Assert.True(read!.Request.Utf8(PolicyAttribute.Sender).IndexOf("caf"u8) < 0);
            return read;
        }
    }

    private static RequestRecord Record(byte[] bytes, string? action, string? plugin, string? id = null)
    {
        Assert.True(PolicyRequestReader.TryRead(bytes, RequestLimits.Default, out var request, out var error), error?.Message);
        return new RequestRecord
        {
            VirtualHost = "x",
            Request = request,
            Action = action,
            Remarks = new DecisionRemarks { Id = id },
            Plugin = plugin,
            Elapsed = TimeSpan.FromMilliseconds(1.5),
        };
    }

    private static byte[] Recorded(RequestRecord record, ValueMask mask)
    {
        var line = new ArrayBufferWriter<byte>();
        RecordedLine.Append(line, s_time, record, mask);
        return line.WrittenSpan.ToArray();
    }

    private static byte[] Logged(RequestRecord record)
    {
        var line = new ArrayBufferWriter<byte>();
        line.Write("<5>"u8);
        new LogEvent(s_time, LogSeverity.Notice, record).AppendJson(line, whole: true);
        line.Write("\n"u8);
        return line.WrittenSpan.ToArray();
    }

    private static List<string> Utf8Values(PolicyRequest request)
    {
        var values = new List<string>();
        var attributes = request.Utf8Attributes;
        while (attributes.MoveNext())
        {
            values.Add($"{Convert.ToHexString(attributes.Name)}={Convert.ToHexString(attributes.Value)}");
        }

        return values;
    }

    // Names of Postfix and others, twice at times; values of any bytes that a line may have.
    private static byte[] RandomRequest(Random random)
    {
        var bytes = new ArrayBufferWriter<byte>();
        string[] names = ["sender", "recipient", "instance", "client_address", "size", "x_other", "x_\u00e4"];
        for (var lines = random.Next(1, 9); lines > 0; lines--)
        {
            bytes.Write(Encoding.UTF8.GetBytes(names[random.Next(names.Length)]));
            bytes.Write("="u8);
            for (var length = random.Next(12); length > 0; length--)
            {
                var isAscii = random.Next(10) > 0;
                var value = (byte)(isAscii ? random.Next(32, 127) : random.Next(1, 256));
                bytes.Write([value is (byte)'\n' or (byte)'\r' ? (byte)' ' : value]);
            }

            bytes.Write("\n"u8);
        }

        return bytes.WrittenSpan.ToArray();
    }
}
