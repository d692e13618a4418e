using Policyd.Backends.Smtp;
using Policyd.Plugins.Smtp;

namespace Policyd.Tests.Smtp;

/// <summary>What is said in which order, without a socket: replies in, commands out.</summary>
public sealed class SmtpConversationSpecs
{
    private static readonly string[] Accepted = ["220 hello", "250 mx", "250 ok"];

    [Theory]
    [InlineData("a@x.test", 123, "250-mx|250-SIZE 1000|250 STARTTLS", "MAIL FROM:<me@here.test> SIZE=123", true)]
    [InlineData("a@x.test", 0, "250-mx|250 size", "MAIL FROM:<me@here.test>", false)]
    [InlineData("a@x.test", 123, "250-mx|250 PIPELINING", "MAIL FROM:<me@here.test>", false)]
    [InlineData("a@x.test", 123, "250-STARTTLS|250 SIZESTARTTLS", "MAIL FROM:<me@here.test>", false)]
    [InlineData("a@x.test", 123, "250-mx|250-starttls|250 Size", "MAIL FROM:<me@here.test> SIZE=123", true)]
    [InlineData("ä@x.test", 0, "250-mx|250 SMTPUTF8", "MAIL FROM:<me@here.test> SMTPUTF8", false)]
    public void Extensions_of_the_server_are_used(string address, long size, string ehlo, string mail, bool startTls)
    {
        var conversation = Conversation(address, size);
        Assert.Null(conversation.HasStartTls);
        Assert.Equal("EHLO host.test", conversation.Next(Reply("220 hello")).Say);
        Assert.Equal(mail, conversation.Next(Reply(ehlo)).Say);
        Assert.Equal(startTls, conversation.HasStartTls);
        Assert.Equal($"RCPT TO:<{address}>", conversation.Next(Reply("250 ok")).Say);
        var end = conversation.Next(Reply("250 2.1.5 fine"));
        Assert.Equal("2.1.5 fine", end.Decision!.Text);
        Assert.False(end.IsOfServer);
    }

    [Theory]
    [InlineData("502 what?")]
    [InlineData("550 no")]
    public void Helo_is_for_a_server_without_ehlo(string refusal)
    {
        var conversation = Conversation("a@x.test", 5);
        conversation.Next(Reply("220 hello"));
        Assert.Equal("HELO host.test", conversation.Next(Reply(refusal)).Say);
        Assert.Equal("MAIL FROM:<me@here.test>", conversation.Next(Reply("250 mx")).Say);
        Assert.False(conversation.HasStartTls);
    }

    [Theory]
    [InlineData(0, "554 not you", true)]
    [InlineData(0, "421 later", true)]
    [InlineData(1, "421 later", true)]
    [InlineData(2, "552 too big", false)]
    [InlineData(2, "452 busy", false)]
    [InlineData(3, "550 unknown", false)]
    [InlineData(3, "421 later", false)]
    public void Refusal_before_the_address_is_of_the_server(int step, string reply, bool isOfServer)
    {
        var conversation = Conversation("a@x.test", 5);
        foreach (var before in Accepted.Take(step))
        {
            Assert.NotNull(conversation.Next(Reply(before)).Say);
        }

        var move = conversation.Next(Reply(reply));
        Assert.Equal(reply, $"{move.Decision!.Code} {move.Decision.Text}");
        Assert.Equal(isOfServer, move.IsOfServer);
    }

    [Fact]
    public void Server_that_refuses_helo_too_is_done_with()
    {
        var conversation = Conversation("a@x.test", 5);
        conversation.Next(Reply("220 hello"));
        conversation.Next(Reply("502 what?"));
        Assert.True(conversation.Next(Reply("502 what?")).IsOfServer);
    }

    [Fact]
    public void Address_beyond_ascii_is_refused_by_a_server_that_cannot()
    {
        var conversation = Conversation("ä@x.test", 5);
        conversation.Next(Reply("220 hello"));
        var move = conversation.Next(Reply("250-mx|250 SIZE"));
        Assert.Null(move.Say);
        Assert.Equal(550, move.Decision!.Code);
        Assert.StartsWith("5.6.7 ", move.Decision.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("250 mx", "MAIL FROM:<>")]
    [InlineData("250-mx|250 SMTPUTF8", "MAIL FROM:<ö@here.test> SMTPUTF8")]
    public void Sender_beyond_ascii_is_left_out_where_it_cannot_be_said(string ehlo, string mail)
    {
        var conversation = new SmtpConversation(
            new SmtpQuestion("host.test", SmtpAddress.Parse("ö@here.test"), SmtpAddress.Parse("a@x.test")!, 0));
        conversation.Next(Reply("220 hello"));
        Assert.Equal(mail, conversation.Next(Reply(ehlo)).Say);
    }

    [Fact]
    public void Reply_without_a_meaning_is_an_error()
    {
        var conversation = Conversation("a@x.test", 5);
        conversation.Next(Reply("220 hello"));
        Assert.Throws<SmtpException>(() => conversation.Next(Reply("354 go on")));
    }

    private static SmtpConversation Conversation(string address, long size) =>
        new(new SmtpQuestion("host.test", SmtpAddress.Parse("me@here.test"), SmtpAddress.Parse(address)!, size));

    private static SmtpReply Reply(string lines)
    {
        var all = lines.Split('|');
        return new SmtpReply(int.Parse(all[0][..3], System.Globalization.CultureInfo.InvariantCulture), [.. all.Select(line => line[4..])]);
    }
}
