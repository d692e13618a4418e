using System.Net;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Spf;

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
    public async Task Long_explanation_is_cut()
    {
        var zone = new TextZone { ["test.example"] = "v=spf1 -all exp=why.test.example", ["why.test.example"] = Repeat("%{s} ", LongestText) };
        var outcome = await EndsAsync("an explanation of long senders", Task.Run(() => CheckAsync(zone, "test.example").AsTask()));
        Assert.Equal(SpfVerdict.Fail, outcome.Verdict);
        Assert.InRange(outcome.Explanation.Length, 100, 512);
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

            var zone = new TextZone { ["test.example"] = "v=spf1 " + new string(text), ["why.example"] = new string(text), ["exp.example"] = "v=spf1 -all exp=why.example" };
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

    private static ValueTask<SpfOutcome> CheckAsync(IDnsResolver zone, string domain) =>
        new SpfEvaluator(zone, new SpfSettings(), TimeProvider.System).CheckAsync(
            new SpfRequest(s_client, domain, Repeat("a.b-c+", 2000) + "@" + domain, ""), TestContext.Current.CancellationToken);

    // Far more than it takes; without bounds it would be hours.
    private static Task<SpfOutcome> EndsAsync(string what, Task<SpfOutcome> check) => Support.Eventually.Ends("a check with " + what, check);
}
