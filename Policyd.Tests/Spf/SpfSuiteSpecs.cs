using Policyd.Modules.Spf;
using Policyd.Tests.Support;

namespace Policyd.Tests.Spf;

/// <summary>Every case of the RFC's own test suite.</summary>
public sealed class SpfSuiteSpecs(ITestOutputHelper output)
{
    // The suite counts them; a reader that loses some would pass with the rest.
    private const int CasesOfTheSuite = 203;

    [Fact]
    public async Task Every_case_of_the_suite_comes_out_as_the_RFC_has_it()
    {
        Needs.SharedData("spf/rfc7208-tests.yml");
        var wrong = new List<string>();
        foreach (var one in SpfSuite.Cases)
        {
            var outcome = await CheckAsync(one);
            if (!one.Results.Contains(outcome.Verdict.ToString().ToLowerInvariant()))
            {
                wrong.Add($"{one}: {outcome.Verdict} ({outcome.Reason}), not {string.Join(" or ", one.Results)}");
            }
            else if (one.Explanation is { } expected && outcome.Verdict == SpfVerdict.Fail && outcome.Explanation != expected)
            {
                wrong.Add($"{one}: explained \"{outcome.Explanation}\", not \"{expected}\"");
            }
        }

        Summary.Line(output, $"SPF: {SpfSuite.Cases.Count - wrong.Count} of {SpfSuite.Cases.Count} cases of the RFC 7208 suite");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(CasesOfTheSuite, SpfSuite.Cases.Count);
    }

    private static async Task<SpfOutcome> CheckAsync(SpfCase one)
    {
        var sender = one.MailFrom.Length > 0 ? one.MailFrom : "postmaster@" + one.Helo;
        var evaluator = new SpfEvaluator(
            one.Zone, new SpfSettings { DefaultExplanation = "DEFAULT", Hostname = "unknown" }, TimeProvider.System);
        return await evaluator.CheckAsync(
            new SpfRequest(one.Host, sender[(sender.LastIndexOf('@') + 1)..], sender, one.Helo), TestContext.Current.CancellationToken);
    }
}
