using System.Text;
using CsCheck;
using Policyd.Backends.Smtp;
using Policyd.Plugins.Smtp;

namespace Policyd.Tests.Smtp;

/// <summary>Replies of servers, which are strangers, in whatever pieces they come.</summary>
public sealed class SmtpReplyReaderSpecs
{
    [Theory]
    [InlineData("250 ok\r\n", 250, "ok")]
    [InlineData("250 ok\n", 250, "ok")]
    [InlineData("250\r\n", 250, "")]
    [InlineData("250 \r\n", 250, "")]
    [InlineData("550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n", 550, "5.1.1 no such user here")]
    [InlineData("550-5.1.1 one\r\n550 two\r\n", 550, "5.1.1 one two")]
    [InlineData("220-mx\r\n220\r\n", 220, "mx")]
    [InlineData("450 a\u0000b\tc\u007f\u00e9\r\n", 450, "a?b?c??")]
    public void Reply_is_read_in_any_pieces(string bytes, int code, string text)
    {
        for (var cut = 0; cut < bytes.Length; cut++)
        {
            var reader = new SmtpReplyReader();
            Assert.Null(reader.Read(Encoding.Latin1.GetBytes(bytes[..cut])));
            var reply = reader.Read(Encoding.Latin1.GetBytes(bytes[cut..]))!;
            Assert.Equal((code, text), (reply.Code, reply.Text));
        }
    }

    [Theory]
    [InlineData("\r\n", "does not speak SMTP")]
    [InlineData("25\r\n", "does not speak SMTP")]
    [InlineData("150 ok\r\n", "does not speak SMTP")]
    [InlineData("650 ok\r\n", "does not speak SMTP")]
    [InlineData("2x0 ok\r\n", "does not speak SMTP")]
    [InlineData("250ok\r\n", "does not speak SMTP")]
    [InlineData("250_ok\r\n", "does not speak SMTP")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n", "does not speak SMTP")]
    [InlineData("250-a\r\n550 b\r\n", "two codes")]
    [InlineData("250 ok\r\n250 ok\r\n", "a reply without a command")]
    [InlineData("250 ok\r\n2", "a reply without a command")]
    public void What_is_no_reply_is_told(string bytes, string why)
    {
        var exception = Assert.Throws<SmtpException>(() => new SmtpReplyReader().Read(Encoding.Latin1.GetBytes(bytes)));
        Assert.Contains(why, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Line_or_reply_without_an_end_is_given_up()
    {
        Assert.Throws<SmtpException>(() => new SmtpReplyReader().Read(Encoding.Latin1.GetBytes("250 " + new string('x', 3000))));
        Assert.Throws<SmtpException>(
            () => new SmtpReplyReader().Read(Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat("250-x\r\n", 200)))));
    }

    [Fact]
    public void Text_is_bounded()
    {
        var reply = new SmtpReplyReader().Read(
            Encoding.Latin1.GetBytes("550-" + new string('x', 1000) + "\r\n550 " + new string('y', 1000) + "\r\n"))!;
        Assert.Equal(300, reply.Text.Length);
    }

    [Fact]
    public void Any_bytes_end_in_a_reply_of_printable_text_or_an_exception() =>
        Gen.Select(Gen.Byte.Array[0, 40], Gen.Bool).Sample((noise, begins) =>
        {
            try
            {
                var reply = new SmtpReplyReader().Read([.. begins ? "550 "u8 : [], .. noise, (byte)'\n']);
                Assert.True(reply is null || reply.Text.All(static c => c is >= ' ' and <= '~'));
            }
            catch (SmtpException)
            {
                // What it must be when it is no reply.
            }
        });
}
