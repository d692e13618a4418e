using Policyd.Modules.Addresses;
using Policyd.Plugins.Addresses;
using Policyd.Tests.Plugins.Counting;

namespace Policyd.Tests.Plugins;

public sealed class AddressTagsSpecs
{
    private static readonly AddressTags All = new([AddressTag.Batv, AddressTag.Srs, AddressTag.Extension], "+");

    [Theory]
    [InlineData("ann@a.example", "ann@a.example")]
    [InlineData("", "")]
    [InlineData("prvs=0001abcdef=ann@a.example", "ann@a.example")]
    [InlineData("PRVS=0001ABCDEF=Ann@a.example", "Ann@a.example")]
    [InlineData("prvs=ann=0001abcdef@a.example", "ann@a.example")]
    [InlineData("prvs=ann/0001abcdef@a.example", "ann@a.example")]
    [InlineData("prvs=0001abcdef=a=b@a.example", "a=b@a.example")]
    [InlineData("prvs=0001abcdef=ann", "ann")]
    [InlineData("prvs=1tag=ann@a.example", "ann@a.example")]
    [InlineData("btv1==0987bd8a7b7==ann@a.example", "ann@a.example")]
    [InlineData("msprvs1=18035cE8D9qVl=bounces-1234@a.example", "bounces-1234@a.example")]
    [InlineData("SRS0=Hx1y=TT=a.example=ann@b.example", "ann@a.example")]
    [InlineData("srs0+H/1y=TT=a.example=ann@b.example", "ann@a.example")]
    [InlineData("SRS0-Hx1y=TT=a.example=an=n@b.example", "an=n@a.example")]
    [InlineData("SRS1=Hz2x=b.example==Hx1y=TT=a.example=ann@c.example", "ann@a.example")]
    [InlineData("SRS1+Hz2x=b.example=-Hx1y=TT=a.example=ann@c.example", "ann@a.example")]
    [InlineData("SRS0=Hx1y=TT=a.example=prvs=0001abcdef=ann+shop@b.example", "ann@a.example")]
    [InlineData("prvs=0001abcdef=SRS0=Hx1y=TT=a.example=ann@b.example", "ann@a.example")]
    [InlineData("ann+shop+more@a.example", "ann@a.example")]
    [InlineData("ann+shop", "ann")]
    public void Tags_are_left_out(string address, string left) => Assert.Equal(left, All.Without(address));

    [Theory]
    [InlineData("prvs=@a.example")]
    [InlineData("prvs=0001abcdef=@a.example")]
    [InlineData("prvs==ann@a.example")]
    [InlineData("prvs=@")]
    [InlineData("prvs=")]
    [InlineData("btv1==ann@a.example")]
    [InlineData("btv1====ann@a.example")]
    [InlineData("SRS0=@b.example")]
    [InlineData("SRS0=Hx1y=TT=a.example=@b.example")]
    [InlineData("SRS0=Hx1y=TT==ann@b.example")]
    [InlineData("SRS0=Hx1y=TT=a.example@b.example")]
    [InlineData("SRS0=Hx1y=TT=a.example=ann")]
    [InlineData("SRS0=Hx1y=TT=x@evil=ann@b.example")]
    [InlineData("SRS0:Hx1y=TT=a.example=ann@b.example")]
    [InlineData("SRS1=Hz2x=b.example=Hx1y=TT=a.example=ann@c.example")]
    [InlineData("SRS1=Hz2x=b.example=@c.example")]
    [InlineData("SRS1=")]
    [InlineData("srs0=ann@a.example")]
    [InlineData("\"prvs=0001abcdef=a+b\"@a.example")]
    [InlineData("+ann@a.example")]
    [InlineData("+@")]
    [InlineData("@a+b.example")]
    public void What_is_not_of_a_tags_form_stays(string address) => Assert.Equal(address, All.Without(address));

    [Theory]
    [InlineData("+", "mailer-daemon+x@a.example", "mailer-daemon@a.example")]
    [InlineData("+-", "ann-shop@a.example", "ann@a.example")]
    [InlineData("+-", "Double-Bounce@a.example", "Double-Bounce@a.example")]
    [InlineData("+-", "mailer-daemon@a.example", "mailer-daemon@a.example")]
    [InlineData("-", "owner-list@a.example", "owner-list@a.example")]
    [InlineData("-", "list-request@a.example", "list-request@a.example")]
    [InlineData("=", "prvs=0001abcdef=ann@a.example", "prvs@a.example")]
    public void Extensions_are_those_that_postfix_finds(string delimiters, string address, string left) =>
        Assert.Equal(left, new AddressTags([AddressTag.Extension], delimiters).Without(address));

    [Fact]
    public void Long_and_deep_addresses_cost_little()
    {
        var deep = string.Concat(Enumerable.Repeat("prvs=0001abcdef=", 100_000)) + "ann@a.example";
        Assert.EndsWith("=ann@a.example", All.Without(deep), StringComparison.Ordinal);
        var srs = "SRS1=" + string.Concat(Enumerable.Repeat("a=", 500_000)) + "@b.example";
        Assert.NotEmpty(All.Without(srs));
    }

    [Theory]
    [InlineData("fields = sender", "acct_sender", "Ann@A.Example")]
    [InlineData("fields = sender, key = \"%{sender}\"", "acct_sender", "ann@a.example")]
    [InlineData("fields = sender, key = \"%{sender_domain}\"", "acct_sender", "a.example")]
    [InlineData("fields = recipient", "acct_recipient", "bob@b.example")]
    public async Task Accounting_and_quota_count_all_addresses_of_one_person_as_one(string options, string table, string key)
    {
        const string leave = "leave_out = [batv, srs, extension], recipient_delimiter = \"+-\"";
        await using var policy = new CountingPolicy($$"""
            { name = quota, module = Quota, metric = count, threshold = 2, {{options.Replace("fields", "field", StringComparison.Ordinal)}}, {{leave}} }
            { name = acct, module = Accounting, {{options}}, {{leave}} }
            """);
        string[] senders = ["prvs=0001abcdef=Ann@A.Example", "SRS0=Hx1y=TT=A.Example=Ann@b.example", "Ann+shop@A.Example"];
        var answers = new List<string?>();
        foreach (var sender in senders)
        {
            answers.Add(await policy.AskAsync(sender, ("sender", sender), ("recipient", "bob-" + sender.Length + "@b.example")));
        }

        Assert.Equal(["dunno", "dunno"], answers.Take(2));
        Assert.StartsWith("defer", answers[2], StringComparison.Ordinal);
        Assert.Equal((key, table), (Assert.Single(policy.Counters.Rows).Key.Key, policy.Counters.Rows.Single().Key.Table));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("@")]
    public void Delimiter_that_is_a_letter_or_none_is_an_error(string delimiter) => Assert.Contains(
        "recipient_delimiter: set one or more characters",
        CountingPolicy.Errors(
            $"{{ name = acct, module = Accounting, fields = sender, leave_out = extension, recipient_delimiter = \"{delimiter}\" }}"),
        StringComparison.Ordinal);
}
