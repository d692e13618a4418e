using System.Text;
using CsCheck;
using Policyd.Protocol;

namespace Policyd.Tests.Protocol;

public sealed class ActionGrammarSpecs
{
    [Theory]
    [InlineData("dunno", ActionKind.Dunno)]
    [InlineData("OK", ActionKind.Ok)]
    [InlineData("12345", ActionKind.Ok)]
    [InlineData("250", ActionKind.Ok)]
    [InlineData("relay", ActionKind.Relay)]
    [InlineData("reject", ActionKind.Reject)]
    [InlineData("reject spam, eggs", ActionKind.Reject)]
    [InlineData("450 4.7.1 later", ActionKind.ReplyCode)]
    [InlineData("521 go away", ActionKind.ReplyCode)]
    [InlineData("421 4.7.0 bye", ActionKind.ReplyCode)]
    [InlineData("defer you exceeded your monthly limit, please insert coin", ActionKind.Defer)]
    [InlineData("defer_if_permit later", ActionKind.DeferIfPermit)]
    [InlineData("DEFER_IF_REJECT", ActionKind.DeferIfReject)]
    [InlineData("PREPEND X-MtScore: NO score=0", ActionKind.Prepend)]
    [InlineData("filter smtp:[127.0.0.1]:10025", ActionKind.Filter)]
    [InlineData("redirect a@example.org", ActionKind.Redirect)]
    [InlineData("bcc a@example.org", ActionKind.Bcc)]
    [InlineData("hold", ActionKind.Hold)]
    [InlineData("discard quietly", ActionKind.Discard)]
    [InlineData("warn watch this", ActionKind.Warn)]
    [InlineData("info ", ActionKind.Info)]
    [InlineData("permit_mynetworks, reject", ActionKind.Restriction)]
    [InlineData("reject_rbl_client zen.spamhaus.org", ActionKind.Restriction)]
    [InlineData("warn_if_reject reject_unverified_sender", ActionKind.Restriction)]
    [InlineData("sleep 1,reject", ActionKind.Restriction)]
    public void Action_that_Postfix_obeys_fits(string action, ActionKind kind)
    {
        Assert.True(PolicyAction.TryParse(action, ActionGrammar.Default, out var read, out var error), error);
        Assert.Equal(kind, read.Kind);
    }

    [Theory]
    [InlineData("", "permit")]
    [InlineData(" dunno", "451")]
    [InlineData("rejct spam", "did you mean reject")]
    [InlineData("rejetc spam", "did you mean reject")]
    [InlineData("550", "Postfix treats \"550\" without a text as permit; write 550 followed by a text")]
    [InlineData("421 ", "without a text as permit")]
    [InlineData("dunno,reject", "must stand alone")]
    [InlineData("permit_mynetworks, OK", "must stand alone")]
    [InlineData("check_policy_service inet:127.0.0.1:10023", "contains a colon")]
    [InlineData("check_client_access hash:/etc/postfix/access", "contains a colon")]
    [InlineData("hangup", "unsupported")]
    [InlineData(",", "contains only separators")]
    [InlineData("reject\ttab", "control character")]
    [InlineData("250 Ok", "4NN or 5NN")]
    [InlineData("hash:/etc/postfix/access", "lookup table")]
    [InlineData("reject a\nb", "control character")]
    [InlineData("prepend no header", "PREPEND needs a header")]
    [InlineData("prepend :x", "PREPEND needs a header")]
    [InlineData("filter nowhere", "FILTER needs")]
    [InlineData("redirect nobody", "needs an address")]
    [InlineData("reject_rbl_client", "needs an argument")]
    [InlineData("greylisting", "restriction_classes")]
    [InlineData("reject \ud800", "UTF-8")]
    public void Action_that_Postfix_would_not_obey_is_explained(string action, string reason) =>
        Assert.Contains(reason, ActionGrammar.Default.Check(action), StringComparison.Ordinal);

    [Fact]
    public void Unknown_single_word_may_be_a_class_of_the_operators()
    {
        Assert.Equal(ActionVerdict.UnknownWord, ActionGrammar.Default.Judge("postgrey", out _));
        Assert.Equal(ActionVerdict.Wrong, ActionGrammar.Default.Judge("postgrey now", out _));
        Assert.Equal(ActionVerdict.UnknownWord, ActionGrammar.Default.Judge("wand", out _));
        Assert.Equal(ActionVerdict.Wrong, ActionGrammar.Default.Judge("hangup", out _));
        var grammar = ActionGrammar.Default.WithRestrictionClasses(["postgrey"]);
        Assert.Equal(ActionVerdict.Fits, grammar.Judge("postgrey", out _));
        Assert.Contains("did you mean postgrey", grammar.Check("postgray"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dunno")]
    [InlineData("PREPEND X-A: b", "reject no", "reject no")]
    [InlineData("PREPEND X-A: b", "PREPEND X-C: d", "PREPEND X-A: b")]
    [InlineData("ok", "450 later", "450 later")]
    [InlineData("defer", "550 no", "550 no")]
    [InlineData("dunno", "warn a", "warn a")]
    [InlineData("ok", "PREPEND X-A: b", "PREPEND X-A: b")]
    [InlineData("hold", "discard", "discard")]
    [InlineData("defer_if_reject", "450 later", "450 later")]
    [InlineData("defer_if_permit", "defer", "defer")]
    [InlineData("defer_if_reject", "hold", "hold")]
    [InlineData("PREPEND X-A: b", "defer_if_permit", "defer_if_permit")]
    [InlineData("permit", "PREPEND X-A: b", "PREPEND X-A: b")]
    [InlineData("450 later", "reject, now", "reject, now")]
    [InlineData("550", "PREPEND X-A: b", "PREPEND X-A: b")]
    [InlineData("", "ok", "ok")]
    [InlineData("", "dunno")]
    public void Most_restrictive_of_several_actions_is_sent(params string[] actionsAndWinner) =>
        Assert.Equal(actionsAndWinner[^1], ActionPrecedence.Merge(actionsAndWinner.Length == 1 ? [] : actionsAndWinner[..^1]));

    [Fact]
    public void Sanitized_text_is_one_short_line_of_valid_UTF8_whatever_it_was() =>
        Gen.String.Sample(
            text =>
            {
                var safe = ActionGrammar.Sanitize(text);
                var bytes = Encoding.UTF8.GetBytes(safe);
                return bytes.Length <= ActionGrammar.MaxTextBytes && !safe.Any(char.IsControl) && Encoding.UTF8.GetString(bytes) == safe;
            },
            iter: 5_000);

    [Fact]
    public void Text_that_is_too_long_is_cut_at_a_character() =>
        Assert.Equal("reject " + new string('é', 221), ActionGrammar.Sanitize("reject " + new string('é', 1000)));

    [Theory]
    [InlineData(' ')]
    [InlineData('x')]
    [InlineData(':')]
    [InlineData('1')]
    [InlineData(',')]
    public void Long_text_is_judged_at_once_and_shown_in_part(char of)
    {
        var classes = ActionGrammar.Default.WithRestrictionClasses(Enumerable.Range(0, 1000).Select(static number => $"class{number}"));
        var text = "a" + new string(of, 1_000_000);
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        for (var i = 0; i < 10; i++)
        {
            Assert.InRange(classes.Check(text)!.Length, 1, 300);
        }

        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(20));
    }
}
