using Policyd.Bench.Load;
using Policyd.Protocol;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>Generated requests, read back by the server's own reader.</summary>
public class RequestTemplateSpecs
{
    [Fact]
    public void Request_holds_what_Postfix_sends_at_RCPT()
    {
        var request = Read(RequestTemplate.Compile([], epoch: 0x65000000), new RequestNumbers(0x010203, 7, 5, 1_000_002, 3));
        Assert.Equal(29, request.Count);
        Assert.Equal(
            ("smtpd_access_policy", "RCPT", "10.1.2.3", "rcpt3@example.net", "user66051@example.com", "1005.65000001.2.0"),
            (
                request["request"],
                request["protocol_state"],
                request["client_address"],
                request["recipient"],
                request["sasl_username"],
                request["instance"]));
    }

    [Fact]
    public void Changed_attribute_keeps_its_place_and_new_one_goes_last()
    {
        var template = RequestTemplate.Compile([new("size", "%i"), new("policy_x", "%k:%a:%r:100%%:%m")], epoch: 1);
        var request = Read(template, new RequestNumbers(9, long.MaxValue, 0, 0, int.MaxValue));
        Assert.Equal("9223372036854775807", request["size"]);
        Assert.Equal("9:10.0.0.9:2147483647:100%:1000.1.0.0", request["policy_x"]);
        Assert.Equal("policy_x", request.Attributes.Last().Key);
    }

    [Fact]
    public void Largest_numbers_fit_the_promised_length()
    {
        var template = RequestTemplate.Compile([new("x", "%k%a%i%r%m")], epoch: long.MaxValue / 2);
        var buffer = new byte[template.MaxLength];
        var length = template.Write(
            buffer, new RequestNumbers(RequestTemplate.MaxKeys - 1, long.MaxValue, 60_000, long.MaxValue, int.MaxValue));
        Assert.InRange(length, 1, buffer.Length);
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("a=b", "x")]
    [InlineData("a", "x\ny")]
    [InlineData("a", "x\0")]
    [InlineData("a", "%z")]
    [InlineData("a", "half %")]
    public void Attribute_that_cannot_be_sent_is_refused(string name, string value) =>
        Assert.Throws<FormatException>(() => RequestTemplate.Compile([new(name, value)], epoch: 0));

    private static PolicyRequest Read(RequestTemplate template, RequestNumbers numbers)
    {
        var buffer = new byte[template.MaxLength];
        var framer = new RequestFramer(new RequestLimits());
        framer.Append(buffer.AsSpan(0, template.Write(buffer, numbers)));
        Assert.Equal(FrameStatus.Frame, framer.TryTake(out var frame, out _));
        Assert.True(PolicyRequestReader.TryRead(frame, new RequestLimits(), out var request, out var error), error?.Message);
        return request!;
    }
}
