using CsCheck;
using Policyd.Plugins.Api;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>Nobody who chooses an address of a mail writes a detail of its score.</summary>
public sealed class ScoreNameSpecs
{
    [Theory]
    [InlineData("spamhaus-zen", "spamhaus-zen")]
    [InlineData("My list", "My list")]
    [InlineData("v-bob@example.org", "v-bob@example.org")]
    [InlineData("v-b, ham=-100@example.org", "v-b%2C ham%3D-100@example.org")]
    [InlineData("v-x] NO [@example.org", "v-x%5D NO %5B@example.org")]
    [InlineData("v-a\r\nX-Spam: NO", "v-a%0D%0AX-Spam: NO")]
    [InlineData("v-100%2C", "v-100%252C")]
    [InlineData("v-käse", "v-k%C3%A4se")]
    public void Name_is_escaped_as_in_a_url(string name, string escaped) => Assert.Equal(escaped, ScoreName.Escape(name));

    [Fact]
    public void Any_name_stays_one_detail_of_printable_ascii() => Gen.String.Array[1, 4].Sample(names =>
    {
        var details = string.Join(", ", names.Select(static name => $"{ScoreName.Escape(name)}=1"));
        return !details.AsSpan().ContainsAnyExceptInRange(' ', '~')
            && details.Split(',').Length == names.Length
            && details.Count(static c => c == '=') == names.Length
                && details.AsSpan().IndexOfAny("[]()") < 0;
    });

    [Fact]
    public void Long_name_is_cut() => Assert.Equal(403, ScoreName.Escape(new string('ä', 10_000)).Length);

    [Fact]
    public async Task Details_that_something_else_has_set_fail_no_mail()
    {
        await using var policy = new PolicyUnderTest(
            """
            { name = s, module = SetField, key = score_detail, value = "a=1\n, \uFFFDb=2" }, { name = h, module = AddScoreHeader }
            """);
        Assert.Equal("PREPEND X-MtScore: NO score=0 [a=1 , ?b=2]", await policy.AskAsync());
    }

    [Fact]
    public async Task Recipient_cannot_forge_a_detail_of_the_header()
    {
        await using var smtp = new OneAnswerServer("550 no\r\n"u8.ToArray());
        await using var policy = new PolicyUnderTest($$"""
            { name = v, module = SMTPVerify, host = "127.0.0.1", port = {{smtp.Port}}, recipient_field = recipient, temp_fail_score = 2, perm_fail_score = 3, timeout = 2s }
            { name = h, module = AddScoreHeader }
            """);
        var action = await policy.AskAsync(("recipient", "b, ham=-100@example.org"), ("sender", "a@example.org"));
        Assert.NotNull(action);
        Assert.DoesNotContain("ham=", action, StringComparison.Ordinal);
        Assert.Contains("[v-b%2C ham%3D-100@example.org=", action, StringComparison.Ordinal);
    }
}
