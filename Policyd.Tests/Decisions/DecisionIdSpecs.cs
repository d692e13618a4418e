using Policyd.Engine.Decisions;
using Policyd.Tests.Plugins;

namespace Policyd.Tests.Decisions;

/// <summary>The name of a decision, and the place in an action's text that shows it.</summary>
public sealed class DecisionIdSpecs
{
    private static readonly DateTimeOffset s_time = new(2026, 11, 29, 7, 8, 9, 123, TimeSpan.Zero);

    [Fact]
    public void Names_sort_by_time_are_all_different_and_are_letters_and_digits()
    {
        var ids = Enumerable.Range(0, 10_000).Select(static number => DecisionId.New(s_time.AddMilliseconds(number / 10))).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        var times = ids.Chunk(10).Select(static same => same[0][..8]).ToList();
        Assert.Equal(times.Order(StringComparer.Ordinal), times);
        Assert.All(ids, static id => Assert.Matches("^[0-9a-hjkmnp-tv-z]{20}$", id));
        Assert.True(
            string.CompareOrdinal(DecisionId.New(s_time), DecisionId.New(new DateTimeOffset(2500, 1, 1, 0, 0, 0, TimeSpan.Zero))) < 0);
    }

    [Fact]
    public void A_name_is_read_as_people_type_it()
    {
        var id = DecisionId.New(s_time);
        Assert.Equal(id, DecisionId.Read($" {id.ToUpperInvariant().Replace('0', 'O').Replace('1', 'l')} "));
        Assert.Null(DecisionId.Read(id[1..]));
        Assert.Null(DecisionId.Read(id[1..] + "u"));
    }

    [Theory]
    [InlineData("{ name = a, module = Action, action = \"reject see %ID%, or %ID%\" }")]
    [InlineData("{ name = a, module = SaysLate, actions = \"reject see %ID%, or %ID%\" }")]
    [InlineData("{ name = a, module = ChainFails, how = throw, on_error = \"reject see %ID%, or %ID%\" }")]
    [InlineData("{ name = o, module = Stress, plugins = [ { name = a, module = Action, action = \"reject see %ID%, or %ID%\" } ] }")]
    public async Task Text_shows_the_name_whichever_plugin_answers_and_in_the_steps_too(string plugins)
    {
        var policy = Policy(plugins);
        var action = await policy.AskAsync(("stress", "yes"));
        var id = policy.Last.Remarks?.Id;
        Assert.Equal($"reject see {id}, or {id}", action);
        Assert.Equal(DecisionId.Length, id!.Length);
        Assert.All(policy.Steps, step => Assert.Equal(action, step.Actions[0]));
        Assert.Equal("a", DecidingRule.Of(policy.Steps));

        await policy.AskAsync(("stress", "yes"));
        Assert.NotEqual(id, policy.Last.Remarks?.Id);
    }

    [Fact]
    public async Task What_is_observed_has_the_same_name_and_tells_who_would_withhold_the_mail()
    {
        var policy = Policy(
            """
            { name = hint, module = Action, action = "info x", observe = on }
            { name = a, module = Action, action = "defer see %ID%", observe = on }
            { name = b, module = Action, action = "hold see %ID%", observe = on }
            { name = c, module = Action, action = "PREPEND X-Id: %ID%" }
            """);
        var action = await policy.AskAsync();
        var id = policy.Last.Remarks?.Id;
        Assert.Equal($"PREPEND X-Id: {id}", action);
        Assert.Equal($"hint: info x, a: defer see {id}, b: hold see {id}", policy.Last.Observed);
        Assert.Equal("a", policy.Last.Remarks?.WouldWithhold);
    }

    [Fact]
    public async Task Nobody_makes_a_name_that_no_text_shows()
    {
        var policy = Policy("{ name = a, module = Action, action = \"reject 100% sure, %id% or %OTHER%\" }");
        Assert.Equal("reject 100% sure, %id% or %OTHER%", await policy.AskAsync());
        Assert.Null(policy.Last.Remarks?.Id);
    }

    [Theory]
    [InlineData("reject no", true)]
    [InlineData("DEFER_IF_PERMIT no", true)]
    [InlineData("450 no", true)]
    [InlineData("550 no", true)]
    [InlineData("discard", true)]
    [InlineData("hold", true)]
    [InlineData("dunno", false)]
    [InlineData("ok", false)]
    [InlineData("redirect a@b.example", false)]
    [InlineData("PREPEND X-Reject: reject", false)]
    public void A_mail_is_withheld_by_what_does_not_let_it_reach_its_recipient(string action, bool withholds) =>
        Assert.Equal(withholds, Refusals.Withholds(action));

    private static PolicyUnderTest Policy(string plugins) =>
        new(plugins, typeof(ChainSpecs.SaysLate), typeof(StepsSpecs.ChainFails)) { Depth = DecisionDepth.Steps };
}
