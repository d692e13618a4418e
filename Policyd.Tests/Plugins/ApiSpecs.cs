using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Perl;

namespace Policyd.Tests.Plugins;

public sealed class ApiSpecs
{
    [Theory]
    [InlineData(5, "5")]
    [InlineData(-1, "-1")]
    [InlineData(2.5, "2.5")]
    [InlineData(0.1 + 0.2, "0.3")]
    [InlineData(1e15, "1e+15")]
    [InlineData(0.00001, "1e-05")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(1234567.891, "1234567.891")]
    public void Number_prints_as_perl_prints_it(double value, string text) => Assert.Equal(text, PerlNumber.Format(value));

    [Fact]
    public void Sums_of_a_counter_are_shown_by_the_names_of_their_metrics() =>
        Assert.Equal("count=1 count_rcpt=2 size=30 size_rcpt=60", CounterAmounts.OfMail(2, 30).ToString());

    [Theory]
    [InlineData("12abc", 12)]
    [InlineData("  -3.5e1x", -35)]
    [InlineData(".5", 0.5)]
    [InlineData("5.", 5)]
    [InlineData("1e", 1)]
    [InlineData("abc", 0)]
    [InlineData("-", 0)]
    [InlineData("", 0)]
    [InlineData(null, 0)]
    [InlineData("0x10", 0)]
    public void Text_counts_as_the_number_it_begins_with(string? text, double value) => Assert.Equal(value, PerlNumber.Parse(text));

    [Theory]
    [InlineData(@"\Aa\z", "a", "a\n")]
    [InlineData(@"^a\Z", "a\n", "ab")]
    [InlineData(@"^a$", "a\n", "ab")]
    [InlineData(@"a\hb", "a\tb", "a\nb")]
    [InlineData(@"^[[:alpha:]_]+$", "ab_", "a1")]
    [InlineData(@"^[^[:digit:]]$", "a", "1")]
    [InlineData(@"^[[:^digit:]]$", "a", "1")]
    [InlineData(@"^[[:punct:]]$", "]", "a")]
    [InlineData(@"^\d+$", "12", "१२")]
    [InlineData(@"^[\w-]+$", "a-b", "a b")]
    [InlineData(@"^(?i)AB", "ab", "b")]
    [InlineData(@"^\Qa.b\E$", "a.b", "axb")]
    [InlineData(@"^\x{41}$", "A", "B")]
    [InlineData(@"^(?P<n>a)(?P=n)$", "aa", "ab")]
    [InlineData(@"^(a)\g1$", "aa", "ab")]
    [InlineData(@"^a++b", "aab", "b")]
    [InlineData(@"^(?:ab)*+c", "ababc", "abab")]
    [InlineData(@"^a{1,2}+b$", "aab", "aaab")]
    [InlineData(@"^(?=.*x).*y", "xy", "ay")]
    [InlineData(@"^(?^i:AB)c$", "abc", "abC")]
    [InlineData(@"^[]a]+$", "]a", "b")]
    [InlineData(@"^[a[b]$", "[", "c")]
    [InlineData(@"^a\@b\-c$", "a@b-c", "ab")]
    [InlineData(@"^[0-9.]+\.dyn\.", "1.2.dyn.x", "x.dyn.")]
    public void Perl_expression_means_the_same(string pattern, string matches, string doesNot)
    {
        Assert.True(PerlRegex.TryParse(pattern, out var regex, out var error), error);
        Assert.True(regex!.IsMatch(matches));
        Assert.False(regex.IsMatch(doesNot));
    }

    [Fact]
    public void Possessive_quantifier_gives_nothing_back()
    {
        Assert.True(PerlRegex.TryParse("^a*+a", out var regex, out _));
        Assert.False(regex!.IsMatch("aaa"));
    }

    [Theory]
    [InlineData(@"a\Kb", "character 2")]
    [InlineData(@"(a", "character")]
    [InlineData(@"a[b", "character 2")]
    [InlineData(@"(?R)", "character 1")]
    [InlineData(@"[[:nope:]]", "[:nope:]")]
    [InlineData(@"a\", "character 2")]
    [InlineData(@"*a", "character")]
    public void Expression_that_cannot_be_is_refused_with_its_place(string pattern, string part)
    {
        Assert.False(PerlRegex.TryParse(pattern, out _, out var error));
        Assert.Contains(part, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_expressions_run_in_linear_time()
    {
        Assert.True(PerlRegex.TryParse(@"^(\d+[.-])*dyn(amic)?\.", out var plain, out _));
        Assert.True(plain!.IsLinear);
        Assert.True(PerlRegex.TryParse(@"^(?!a)b", out var around, out _));
        Assert.False(around!.IsLinear);
    }
}
