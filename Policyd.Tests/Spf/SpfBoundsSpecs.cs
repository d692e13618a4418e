using System.Net;
using Policyd.Modules.Spf;
using Policyd.Plugins.Dns;

namespace Policyd.Tests.Spf;

/// <summary>What a stranger's records may cost: they are as long as DNS allows, and repeat whatever the sender has made long.</summary>
public sealed class SpfBoundsSpecs
{
    private const int LongestText = 60_000;
    private static readonly IPAddress s_client = IPAddress.Parse("192.0.2.7");

    public static TheoryData<string, string> Costly => new()
    {
        { "a name of short labels", "v=spf1 a:" + Repeat("x.", LongestText) + "test -all" },
        { "a name of long senders", "v=spf1 a:" + Repeat("%{s}.", LongestText) + "test -all" },
        { "a name of senders turned round", "v=spf1 a:" + Repeat("%{Sr.-+}.", LongestText) + "test -all" },
        { "nothing again and again", "v=spf1 exists:" + Repeat("%{h}", LongestText) + ".test -all" },
        { "slashes", "v=spf1 a:" + Repeat("/1", LongestText) + " -all" },
        { "open macros", "v=spf1 a:" + Repeat("%{", LongestText) + " -all" },
        { "terms", "v=spf1" + Repeat(" ip4:10.0.0.1", LongestText) + " -all" },
        { "modifiers", "v=spf1" + Repeat(" x=%{d}", LongestText) + " -all" },
    };

    [Theory]
    [MemberData(nameof(Costly))]
    public async Task Long_record_ends_soon_and_with_short_words(string what, string record)
    {
        var zone = new TextZone { ["test.example"] = record };
        var outcome = await EndsAsync(what, Task.Run(() => CheckAsync(zone, "test.example").AsTask()));
        Assert.InRange(outcome.Reason.Length, 1, 512);
        Assert.DoesNotContain(zone.Asked, name => name.Length > 253);
    }

    [Fact]
    public async Task Long_explanation_is_cut_and_one_of_too_many_macros_is_none()
    {
        var zone = new TextZone { ["test.example"] = "v=spf1 -all exp=why.test.example", ["why.test.example"] = Repeat("%{s} ", 200) };
        var outcome = await EndsAsync("an explanation of long senders", Task.Run(() => CheckAsync(zone, "test.example").AsTask()));
        Assert.Equal(SpfVerdict.Fail, outcome.Verdict);
        Assert.InRange(outcome.Explanation.Length, 100, 512);

        foreach (var text in (string[])[Repeat("%{s} ", LongestText), Repeat("%{l1r-}", 65 * 7), Repeat("word ", LongestText)])
        {
            zone["why.test.example"] = text;
            outcome = await CheckAsync(zone, "test.example");
            Assert.Equal((SpfVerdict.Fail, ""), (outcome.Verdict, outcome.Explanation));
        }
    }

    [Fact]
    public async Task Record_that_is_longer_than_any_or_has_too_many_macros_is_wrong_and_says_so()
    {
        var zone = new TextZone();
        async Task<SpfOutcome> OfAsync(string record)
        {
            zone["test.example"] = record;
            return await CheckAsync(zone, "test.example");
        }

        var longest = "v=spf1 ?all x=" + new string('x', 8192 - 14);
        Assert.Equal(SpfVerdict.Neutral, (await OfAsync(longest)).Verdict);
        var outcome = await OfAsync(longest + "x");
        Assert.Equal(
            (SpfVerdict.PermError, "the policy of test.example is invalid: it is longer than 8192 bytes"),
            (outcome.Verdict, outcome.Reason));

        var most = "v=spf1 ?all" + Repeat(" x=%{d}", 64 * 7);
        Assert.Equal(SpfVerdict.Neutral, (await OfAsync(most)).Verdict);
        outcome = await OfAsync(most + " y=%{d}");
        Assert.Equal(
            (SpfVerdict.PermError, "the policy of test.example is invalid: it has more than 64 macros"), (outcome.Verdict, outcome.Reason));
    }

    [Fact]
    public async Task Records_of_a_check_have_a_length_together()
    {
        var zone = new TextZone
        {
            ["test.example"] = "v=spf1 include:i1.example include:i2.example include:i3.example include:i4.example include:i5.example ?all"
        };
        for (var number = 1; number <= 5; number++)
        {
            zone[$"i{number}.example"] = "v=spf1 ip4:10.0.0.1 x=" + new string('x', 7000);
        }

        var outcome = await CheckAsync(zone, "test.example");
        Assert.Equal(
            (SpfVerdict.PermError, "with the policy of i5.example, all policies together are longer than 32768 bytes"),
            (outcome.Verdict, outcome.Reason));
        zone["i5.example"] = "v=spf1 ip4:10.0.0.1";
        Assert.Equal(SpfVerdict.Neutral, (await CheckAsync(zone, "test.example")).Verdict);
    }

    [Fact]
    public async Task Client_is_looked_for_once_a_check_however_many_macros_and_mechanisms_name_it()
    {
        const string Reverse = "7.2.0.192.in-addr.arpa";
        var zone = new TextZone
        {
            ["test.example"] = "v=spf1 ptr:x.example exists:" + Repeat("%{p1r-}", 60 * 7)
                + ".a.example include:i1.example ptr include:i2.example ?all",
            ["i1.example"] = "v=spf1 exists:" + Repeat("%{p1r-}", 64 * 7) + ".b.example ptr ?all",
            ["i2.example"] = "v=spf1 exists:" + Repeat("%{p1r-}", 63 * 7) + ".c.example ?all exp=%{p}.example",
        };
        zone.Names[Reverse] = [.. Enumerable.Range(0, 10).Select(number => $"-{number}.example")];
        var outcome = await CheckAsync(zone, "test.example", new SpfSettings { MaxVoidLookups = 100 });
        Assert.Equal(SpfVerdict.Neutral, outcome.Verdict);
        Assert.Equal(1, zone.Asked.Count(name => name == Reverse));
        Assert.All(zone.Names[Reverse], name => Assert.Equal(1, zone.Asked.Count(asked => asked == name)));
    }

    [Theory]
    [InlineData("%{p1r-}", " ip4:10.0.0.1")]
    [InlineData("%{l1r-}", " ip6:1::")]
    [InlineData("%{S1+}", " a/1")]
    [InlineData("%{h}", " mx//1")]
    [InlineData("%{d}", " x=")]
    [InlineData("%%%_", " x=%_%%%-")]
    [InlineData("%{i}", " ?a:x.test")]
    public async Task Costliest_records_that_are_allowed_make_little_garbage(string macro, string term)
    {
        var zone = new TextZone();
        for (var number = 0; number < 4; number++)
        {
            var start = $"v=spf1 {(number < 3 ? $"include:i{number + 1}.example" : "?exists:i.example")} exists:"
                + Repeat(macro, 63 * macro.Length) + ".example";
            zone[$"i{number}.example"] = start + Repeat(term, 8192 - start.Length - 5) + " ?all";
        }

        // Once before: what is made the first time is not counted.
        await CheckAsync(zone, "i0.example");
        var before = GC.GetAllocatedBytesForCurrentThread();
        var check = CheckAsync(zone, "i0.example");
        Assert.True(check.IsCompleted, "nothing waits in this zone, so that all is on this thread");
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        var outcome = await check;
        Assert.DoesNotContain("is invalid", outcome.Reason, StringComparison.Ordinal);
        Assert.Contains(zone.Asked, name => name == "i3.example");

        // Two hundred bytes for each byte of the records; the attack of seven thousand macros a record took hundreds of megabytes.
        Assert.InRange(bytes, 1, 200 * 4 * 8192);
    }

    [Fact]
    public async Task Check_ends_at_its_deadline_also_when_nothing_waits()
    {
        var zone = new TextZone { ["test.example"] = "v=spf1 include:test.example" };
        using var late = new CancellationTokenSource();
        zone.OnAsk = _ => late.Cancel();
        var outcome = await new SpfEvaluator(zone, new SpfSettings { MaxDnsTerms = 1_000_000 }, TimeProvider.System).CheckAsync(
            new SpfRequest(s_client, "test.example", "a@test.example", ""), late.Token);
        Assert.Equal(SpfVerdict.TempError, outcome.Verdict);
        Assert.Single(zone.Asked);
    }

    [Fact]
    public async Task Random_bytes_are_refused_or_understood()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var round = 0; round < 5000; round++)
        {
            var text = new char[random.Next(200)];
            for (var index = 0; index < text.Length; index++)
            {
                // Bytes as a TXT record has them, and often those that mean something.
                text[index] = random.Next(3) == 0 ? (char)random.Next(256) : "%{}sldiphcrtvoaxm:/.=+-~?0123456789 _,"[random.Next(38)];
            }

            var zone = new TextZone
            {
                ["test.example"] = "v=spf1 " + new string(text),
                ["why.example"] = new string(text),
                ["exp.example"] = "v=spf1 -all exp=why.example"
            };
            try
            {
                var outcome = await CheckAsync(zone, "test.example");
                Assert.False(outcome.Reason.AsSpan().ContainsAnyExceptInRange(' ', '~'), "what comes from the network must be escaped");
                await CheckAsync(zone, "exp.example");
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                Assert.Fail($"seed {seed}, round {round}: \"{new string(text)}\": {e}");
            }
        }
    }

    private static string Repeat(string text, int length) => string.Concat(Enumerable.Repeat(text, length / text.Length));

    private static ValueTask<SpfOutcome> CheckAsync(IDnsResolver zone, string domain, SpfSettings? settings = null) =>
        new SpfEvaluator(zone, settings ?? new SpfSettings(), TimeProvider.System).CheckAsync(
            new SpfRequest(s_client, domain, Repeat("a.b-c+", 2000) + "@" + domain, ""), TestContext.Current.CancellationToken);

    // Far more than it takes; without bounds it would be hours.
    private static Task<SpfOutcome> EndsAsync(string what, Task<SpfOutcome> check) =>
        Support.Eventually.Ends("a check with " + what, check);
}
