using System.Runtime.CompilerServices;
using System.Text;
using CsCheck;
using Policyd.Protocol;

namespace Policyd.Tests.Protocol;

/// <summary>Framer and reader together, as a connection uses them.</summary>
public sealed class RequestReadingSpecs
{
    private const string Rcpt =
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.7\nclient_name=mx.example.com\n" +
        "recipient=b@example.org\nsender=\nrecipient_count=0\ninstance=1a2b.5f.7\nsize=1234\nsasl_username=a=b\nfuture_attribute=x\n\n";

    private static readonly RequestLimits Small = new() { MaxRequestBytes = 400, MaxNameBytes = 20 };

    [Fact]
    public void Request_keeps_every_attribute_under_its_name()
    {
        var request = Assert.Single(Take(RequestLimits.Default, Encoding.ASCII.GetBytes(Rcpt)).Requests);

        Assert.Equal("smtpd_access_policy", request.Type);
        Assert.Equal("RCPT", request.ProtocolState);
        Assert.Equal("192.0.2.7", request.ClientAddress);
        Assert.Equal(string.Empty, request.Sender);
        Assert.True(request.Has(PolicyAttribute.Sender));
        Assert.False(request.Has(PolicyAttribute.HeloName));
        Assert.Null(request["helo_name"]);
        Assert.Equal(string.Empty, request.HeloName);
        Assert.Equal("a=b", request.SaslUsername);
        Assert.Equal("x", request["future_attribute"]);
        Assert.Equal(1234, request.Size);
        Assert.Equal(12, request.Count);
        Assert.Equal("1a2b.5f.7", request[PolicyAttribute.Instance]);
        Assert.Same(request.Instance, request.Instance);
    }

    [Theory]
    [InlineData("a=1\nb=2\n\n", "a=1\nb=2\n")]
    [InlineData("a=1\r\nb=2\r\n\r\n", "a=1\r\nb=2\r\n")]
    public void Bytes_are_the_lines_to_which_one_line_end_more_makes_the_request_again(string sent, string kept)
    {
        var request = Assert.Single(Take(RequestLimits.Default, Encoding.ASCII.GetBytes(sent)).Requests);
        Assert.Equal(kept, Encoding.ASCII.GetString(request.Bytes.Span));
    }

    [Fact]
    public void Every_attribute_of_Postfix_has_an_accessor()
    {
        foreach (var attribute in Enum.GetValues<PolicyAttribute>())
        {
            var name = PolicyAttributes.NameOf(attribute);
            var request = new PolicyRequestBuilder().Add(name, "7").ToRequest();
            Assert.Equal("7", request[attribute]);
            Assert.Equal("7", request[name]);
            var property = attribute == PolicyAttribute.Request ? nameof(PolicyRequest.Type) : attribute.ToString();
            Assert.Equal("7", typeof(PolicyRequest).GetProperty(property)?.GetValue(request)?.ToString());
        }
    }

    [Fact]
    public void Requests_come_out_whole_wherever_the_bytes_are_cut()
    {
        var bytes = Encoding.ASCII.GetBytes(Rcpt + Rcpt.Replace("\n", "\r\n", StringComparison.Ordinal) + "a=1\n\n");
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            var (requests, error) = Take(RequestLimits.Default, bytes[..cut], bytes[cut..]);
            Assert.Null(error);
            Assert.Equal(3, requests.Count);
            Assert.Equal(requests[0].Attributes, requests[1].Attributes);
            Assert.Equal("1", requests[2]["a"]);
        }
    }

    [Fact]
    public void Single_bytes_are_as_good_as_packets()
    {
        var bytes = Encoding.ASCII.GetBytes(Rcpt + Rcpt);
        var (requests, error) = Take(RequestLimits.Default, [.. bytes.Select(one => new[] { one })]);
        Assert.Null(error);
        Assert.Equal(2, requests.Count);
    }

    [Fact]
    public void Last_of_a_repeated_name_wins()
    {
        var request = Assert.Single(Take(RequestLimits.Default, "sender=a\nx=1\nsender=b\nx=2\n\n"u8.ToArray()).Requests);
        Assert.Equal("b", request.Sender);
        Assert.Equal("2", request["x"]);
        Assert.Equal(["sender", "x"], request.Attributes.Select(one => one.Key));
    }

    [Fact]
    public void Name_ends_at_its_first_equal_sign()
    {
        var request = Assert.Single(Take(RequestLimits.Default, "x=1=2\nsender=a=b\n\n"u8.ToArray()).Requests);
        Assert.Equal("1=2", request["x"]);
        Assert.Null(request["x=1"]);
        Assert.Null(request["sender=a"]);
        Assert.Null(request[string.Empty]);
    }

    [Fact]
    public void Idle_connection_does_not_keep_the_memory_of_a_large_request()
    {
        var framer = new RequestFramer(RequestLimits.Default);
        var large = Encoding.ASCII.GetBytes("a=" + new string('x', 60_000) + "\n\n");
        framer.Append(large);
        Assert.Equal(FrameStatus.Frame, framer.TryTake(out var frame, out _));
        Assert.Equal(large, frame.ToArray());
        Assert.InRange(BufferOf(framer).Length, 0, 4096);
        framer.Append("b"u8);
        Assert.InRange(BufferOf(framer).Length, 1, 4096);
    }

    [Fact]
    public void Value_that_is_not_UTF8_is_kept_in_bytes_and_shown_with_replacements()
    {
        byte[] bytes = [.. "sender="u8, 0xff, 0xfe, (byte)'\n', (byte)'\n'];
        var request = Assert.Single(Take(RequestLimits.Default, bytes).Requests);
        Assert.Equal([0xff, 0xfe], request.Utf8(PolicyAttribute.Sender).ToArray());
        Assert.Equal("\ufffd\ufffd", request.Sender);
    }

    [Theory]
    [InlineData("no equal sign\n\n", RequestErrorKind.NoEqualSign)]
    [InlineData("a=1\n=2\n\n", RequestErrorKind.EmptyName)]
    [InlineData("a=\0\n\n", RequestErrorKind.Nul)]
    [InlineData("a_name_of_more_than_twenty=1\n\n", RequestErrorKind.NameTooLong)]
    [InlineData("\n", RequestErrorKind.Empty)]
    [InlineData("\r\n", RequestErrorKind.Empty)]
    public void Malformed_request_is_refused_with_its_reason(string text, RequestErrorKind kind)
    {
        var (requests, error) = Take(Small, Encoding.UTF8.GetBytes(text));
        Assert.Empty(requests);
        Assert.Equal(kind, error?.Kind);
        Assert.DoesNotContain(error!.Message, char.IsControl);
    }

    [Fact]
    public void Message_about_a_bad_line_shows_it_escaped_and_cut()
    {
        var (_, error) = Take(RequestLimits.Default, Encoding.UTF8.GetBytes("evil\u001b[2J\"" + new string('x', 500) + "\n\n"));
        Assert.Contains("evil\\x1b[2J\\x22xxx", error!.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Length < 250);
    }

    [Fact]
    public void Request_past_the_bound_is_refused_before_it_ends()
    {
        var framer = new RequestFramer(Small);
        framer.Append(new byte[Small.MaxRequestBytes]);
        Assert.Equal(FrameStatus.NeedMore, framer.TryTake(out _, out _));
        framer.Append([(byte)'x']);
        Assert.Equal(FrameStatus.Malformed, framer.TryTake(out _, out var error));
        Assert.Equal(RequestErrorKind.TooLarge, error?.Kind);
    }

    [Fact]
    public void Framer_knows_whether_a_close_would_cut_a_request()
    {
        var framer = new RequestFramer(RequestLimits.Default);
        Assert.False(framer.HasPartial);
        framer.Append("a=1\n\nb"u8);
        Assert.Equal(FrameStatus.Frame, framer.TryTake(out _, out _));
        Assert.True(framer.HasPartial);
        framer.Append("=2\n\n"u8);
        Assert.Equal(FrameStatus.Frame, framer.TryTake(out var frame, out _));
        Assert.Equal("b=2\n\n"u8.ToArray(), frame.ToArray());
        Assert.False(framer.HasPartial);
    }

    [Fact]
    public void Reader_and_a_slow_second_reader_agree_on_whatever_comes()
    {
        // Mostly requests, with hostile pieces between them, cut at random.
        string[] pieces =
        [
            "sender=a@b\n", "sender=\n", "size=1\r\n", "x=1=2\n", "\n", "\r\n", "\r", "=", "\0", "\n\n", "=1\n", "junk\n",
            "client_address=::1\n", "\r\r\n",
        ];
        var piece = Gen.OneOf(
            Gen.Int[0, pieces.Length - 1].Select(index => pieces[index]),
            Gen.String[Gen.Char["ab=\n\r\u0000\u00e9"], 0, 12],
            Gen.Int[1, 60].Select(length => new string('n', length) + "=v\n"));
        var input = Gen.Select(piece.List[0, 40], Gen.Int[0, 1000].List[0, 6]);
        input.Sample(
            (parts, cuts) =>
            {
                var bytes = Encoding.Latin1.GetBytes(string.Concat(parts));
                var expected = SlowReader.ReadAll(bytes, Small.MaxRequestBytes, Small.MaxNameBytes);
                var (requests, error) = Take(Small, Cut(bytes, cuts));
                Assert.Equal(expected.Contains(null), error is not null);
                Assert.Equal(expected.Count(one => one is not null), requests.Count);
                foreach (var (slow, fast) in expected.OfType<Dictionary<string, string>>().Zip(requests))
                {
                    var latin = fast.Attributes.Select(one => one.Key).Distinct().Count();
                    Assert.Equal(slow.Count, latin);
                    foreach (var (name, value) in slow.Where(one => Ascii(one.Key) && Ascii(one.Value)))
                    {
                        Assert.Equal(value, fast[name]);
                    }
                }
            },
            iter: 20_000,
            print: input => string.Concat(input.Item1).Replace("\n", "\\n", StringComparison.Ordinal));
    }

    [Fact]
    public void Reading_allocates_little()
    {
        var bytes = Encoding.ASCII.GetBytes(Rcpt);
        var framer = new RequestFramer(RequestLimits.Default);
        ReadOne(framer, bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 100; round++)
        {
            ReadOne(framer, bytes);
        }

        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / 100;
        Assert.InRange(each, 1, bytes.Length + 450);
    }

    private static void ReadOne(RequestFramer framer, byte[] bytes)
    {
        framer.Append(bytes);
        framer.TryTake(out var frame, out _);
        PolicyRequestReader.TryRead(frame, RequestLimits.Default, out _, out _);
    }

    // What it holds cannot be told from what it allocates: a buffer comes from a pool.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_buffer")]
    private static extern ref byte[] BufferOf(RequestFramer framer);

    private static bool Ascii(string text) => text.All(char.IsAscii);

    private static byte[][] Cut(byte[] bytes, List<int> cuts)
    {
        int[] places = [0, .. cuts.Select(cut => bytes.Length == 0 ? 0 : cut % bytes.Length).Order(), bytes.Length];
        return [.. places.Zip(places.Skip(1), (from, to) => bytes[from..to])];
    }

    private static (List<PolicyRequest> Requests, RequestError? Error) Take(RequestLimits limits, params byte[][] packets)
    {
        var framer = new RequestFramer(limits);
        var requests = new List<PolicyRequest>();
        foreach (var packet in packets)
        {
            framer.Append(packet);
            while (true)
            {
                var status = framer.TryTake(out var frame, out var error);
                if (status == FrameStatus.NeedMore)
                {
                    break;
                }

                if (status == FrameStatus.Malformed || !PolicyRequestReader.TryRead(frame, limits, out var request, out error))
                {
                    return (requests, error);
                }

                requests.Add(request);
            }
        }

        return (requests, null);
    }
}
