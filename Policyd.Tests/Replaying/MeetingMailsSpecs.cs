using Policyd.Protocol;
using Policyd.Server.Replaying;

namespace Policyd.Tests.Replaying;

/// <summary>Which mails of a replay run one after the other, since they may see the same counter, ticket or trap.</summary>
public sealed class MeetingMailsSpecs
{
    [Theory]
    [InlineData("bob@example.com", "192.0.2.1", "bob@example.com", "192.0.2.2", true)]
    [InlineData("bob@example.com", "192.0.2.1", "eve@example.org", "192.0.2.1", true)]
    [InlineData("bob@example.com", "192.0.2.1", "eve@example.org", "192.0.2.2", false)]
    [InlineData("bob@example.com", "192.0.2.1", "BOB@example.com", "192.0.2.2", true)]
    [InlineData("bob@example.com", "192.0.2.1", "bob@example.com ", "192.0.2.2", true)]
    [InlineData("bob@example.com", "192.0.2.1", "bób@example.org", "192.0.2.2", true)]
    [InlineData("bób@example.com", "192.0.2.1", "bob@example.org", "192.0.2.2", true)]
    [InlineData("bob@example.com", "192.0.2.1", "eve@Example.com", "192.0.2.2", true)]
    [InlineData("bob", "192.0.2.1", "eve", "192.0.2.2", false)]
    [InlineData("", "192.0.2.1", "", "192.0.2.2", false)]
    public void Two_meet_by_a_common_value(string sender, string client, string other, string itsClient, bool meet)
    {
        var mails = new MeetingMails(["sender", "client_address"]);
        var (first, second) = (Mail(sender, client), Mail(other, itsClient));
        Assert.Equal(meet, After(mails, first).MayMeet(second));
        mails.Clear();
        Assert.Equal(meet, After(mails, second).MayMeet(first));
    }

    [Fact]
    public void Nobody_is_met_when_nothing_is_on_its_way()
    {
        var mails = new MeetingMails(["sender"]);
        Assert.False(mails.MayMeet(Mail("bob@example.com", "192.0.2.1")));
        mails.Add(Mail("bób@example.com", "192.0.2.1"));
        mails.Clear();
        Assert.False(mails.MayMeet(Mail("bob@example.com", "192.0.2.1")));
    }

    [Fact]
    public void Where_a_counter_is_of_something_else_any_two_meet()
    {
        var mails = new MeetingMails(null);
        Assert.True(mails.MayMeet(Mail("bob@example.com", "192.0.2.1")));
        mails.Clear();
        Assert.True(mails.MayMeet(Mail("eve@example.org", "192.0.2.2")));
    }

    private static MeetingMails After(MeetingMails mails, PolicyRequest request)
    {
        mails.Add(request);
        return mails;
    }

    private static PolicyRequest Mail(string sender, string client) =>
        PolicyRequestBuilder.AccessPolicy().Add("sender", sender).Add("client_address", client).ToRequest();
}
