using System.Globalization;
using System.Text;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.LookupFiles;

/// <summary>PostfixMap, SaAwlLookup and SaAwlAction as an operator configures them.</summary>
public sealed class LookupModuleSpecs : IDisposable
{
    private readonly LookupFileMaker _maker = new();

    public void Dispose() => _maker.Dispose();

    [ServerTest]
    [Theory]
    [InlineData("203.0.113.7", "matches")]      // the network of three octets
    [InlineData("203.0.114.7", "other")]        // its REJECT stands before the OK of 203.0
    [InlineData("203.0.115.7", "matches")]
    [InlineData("203.1.115.7", "other")]
    [InlineData("198.51.100.1", "matches")]     // a number
    [InlineData("198.51.100.2", "other")]       // 12abc
    [InlineData("198.51.100.3", "other")]       // ok
    [InlineData("198.51.100.4", "other")]       // OK with a text
    [InlineData("2001:db8:a::9", "matches")]
    [InlineData("2001:DB8:A::9", "matches")]
    [InlineData("::ffff:203.0.113.9", "matches")]
    [InlineData("2001:db8:b::9", "other")]
    [InlineData("unknown", null)]
    [InlineData("", null)]
    public async Task Map_says_of_a_client_what_mtpolicyd_found_in_it(string client, string? answer)
    {
        var map = await MapAsync(
            "203.0.113 OK\n203.0.114 REJECT\n203.0 OK\n198.51.100.1 0\n198.51.100.2 12abc\n198.51.100.3 "
                + "ok\n198.51.100.4 OK extra\n2001:db8:a OK\n");
        await using var policy = new PolicyUnderTest(
            $$"""{ name = map, module = PostfixMap, db_file = "{{map}}", match_action = "PREPEND X: matches", """
                + $$"""not_match_action = "PREPEND X: other" }""");
        Assert.Equal(answer is null ? "dunno" : "PREPEND X: " + answer, await policy.AskAsync(("client_address", client)));
    }

    [ServerTest]
    [Fact]
    public async Task Map_scores_once_a_mail_and_a_user_can_be_left_out()
    {
        var map = await MapAsync("192.0.2 OK\n");
        await using var policy = new PolicyUnderTest($$"""
            { module = SetField, key = off, value = off }, { name = no, module = PostfixMap, db_file = "{{map}}", uc_enabled = off, score = 7 },
            { name = map, module = PostfixMap, db_file = "hash:{{map[..^3]}}", score = -3 }
            """);
        await policy.AskAsync();
        await policy.AskAsync();
        Assert.Equal(-3, PerlNumber.Parse(policy.Session["score"]));
    }

    [ServerTest]
    [Fact]
    public async Task Map_that_is_rewritten_is_read_again_and_a_broken_one_leaves_the_last_good()
    {
        var map = await MapAsync("192.0.2.7 OK\n");
        await using var policy = new PolicyUnderTest(
            $$"""{ name = map, module = PostfixMap, db_file = "{{map}}", match_action = reject, not_match_action = "defer" }""");
        Assert.Equal("reject", await policy.AskAsync());

        await MapAsync("192.0.2.8 OK\n");
        await Eventually.Holds(
            "the new map to be read",
            async () => await policy.AskAsync() == "defer" && await policy.AskAsync(("client_address", "192.0.2.8")) == "reject");

        await File.WriteAllTextAsync(map, "half a map", TestContext.Current.CancellationToken);
        await Eventually.Holds(
            "the damage to be logged",
            async () => await policy.AskAsync() is not null && policy.Log.Containing("the last valid version stays in use").Any());
        Assert.Equal("reject", await policy.AskAsync(("client_address", "192.0.2.8")));
        File.Delete(map);
        await MapAsync("192.0.2.7 OK\n");
        await Eventually.Holds("the repaired map to be read", async () => await policy.AskAsync() == "reject");
    }

    [ServerTest]
    [Theory]
    [InlineData("lmdb:", "")]
    [InlineData("", ".lmdb")]
    [InlineData("", ".copy")]   // its content says what it is
    public async Task Map_of_type_lmdb_is_looked_up_and_read_again_after_it_was_written_to(string before, string after)
    {
        var map = await _maker.PostmapAsync("lmdb", "192.0.2.7 OK\n198.51.100 REJECT\n"u8.ToArray());
        if (after == ".copy")
        {
            File.CreateSymbolicLink(map[..^".lmdb".Length] + after, map);
        }

        await using var policy = new PolicyUnderTest(
            $$"""{ name = map, module = PostfixMap, db_file = "{{before}}{{map[..^".lmdb".Length]}}{{after}}", match_action = reject, """
                + $$"""not_match_action = "defer" }""");
        Assert.Equal("reject", await policy.AskAsync());
        Assert.Equal("defer", await policy.AskAsync(("client_address", "198.51.100.3")));

        await _maker.RunPostmapAsync("lmdb", "198.51.100.3 OK\n", "-i");
        await Eventually.Holds(
            "the new entry to be read", async () => await policy.AskAsync(("client_address", "198.51.100.3")) == "reject");
        Assert.Equal("reject", await policy.AskAsync());
    }

    [Theory]
    [InlineData("lmdb:{0}/absent", "Could not find")]
    [InlineData("{0}/text.lmdb", "it is not an LMDB file. Until it can be read")]
    [InlineData("lmdb:{0}/text", "it is not an LMDB file. Until it can be read")]
    public void Map_of_type_lmdb_that_cannot_be_read_is_a_warning(string name, string why)
    {
        _maker.Folder.Write("text.lmdb", "192.0.2.7 OK\n");
        var file = string.Format(CultureInfo.InvariantCulture, name, _maker.Folder.Path);
        Assert.NotNull(
            PolicyUnderTest.Build(
                $$"""policyd { virtual_hosts = [ { port = 12345, plugins = [ { module = PostfixMap, db_file = "{{file}}", """
                    + $$"""match_action = reject } ] } ] }""", out var diagnostics));
        Assert.Contains(why, Assert.Single(diagnostics.All).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Map_that_is_not_there_is_a_warning_and_decides_nothing_until_it_is()
    {
        var plugin =
            $$"""{ name = map, module = PostfixMap, db_file = "texthash:{{_maker.Folder["late"]}}", match_action = """
                + $$"""reject, not_match_action = defer }""";
        Assert.NotNull(
            PolicyUnderTest.Build($"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {plugin} ] }} ] }}", out var diagnostics));
        Assert.Contains("Until it can be read", Assert.Single(diagnostics.All).ToString(), StringComparison.Ordinal);

        await using var policy = new PolicyUnderTest(plugin);
        Assert.Equal("dunno", await policy.AskAsync());
        _maker.Folder.Write("late", "192.0.2 OK\n");
        await Eventually.Holds("the map to be read", async () => await policy.AskAsync() == "reject");
    }

    [Fact]
    public void Map_of_a_type_that_cannot_be_read_is_an_error_with_its_place()
    {
        Assert.Null(PolicyUnderTest.Build(
            """policyd { virtual_hosts = [ { port = 12345, plugins = [ { module = PostfixMap, db_file = "cdb:/etc/postfix/x" } ] } ] }""",
            out var diagnostics));
        Assert.Contains("maps of type cdb are not supported", Assert.Single(diagnostics.All).ToString(), StringComparison.Ordinal);
    }

    [ServerTest]
    [Theory]
    [InlineData("bad@example.org", "192.0.2.7", "reject bad@example.org from 192.0.2.7: 9.5")]
    [InlineData("BAD@example.org", "192.0.200.1", "reject BAD@example.org from 192.0.200.1: 9.5")]  // SpamAssassin keeps a /16
    [InlineData("bad@example.org", "192.1.2.7", null)]
    [InlineData("bad@example.org", "2001:db8:a:ffff::1", "reject bad@example.org from 2001:db8:a:ffff::1: 8")]
    [InlineData("bad@example.org", "2001:db8:b::1", null)]
    [InlineData("bad@example.org", "2001:db8::1", "reject bad@example.org from 2001:db8::1: 7")]
    [InlineData("bad@example.org", "::1", "reject bad@example.org from ::1: 6")]
    [InlineData("few@example.org", "192.0.2.7", null)]    // seen too seldom
    [InlineData("five@example.org", "192.0.2.7", "reject five@example.org from 192.0.2.7: 5")]   // on the threshold is enough
    [InlineData("good@example.org", "192.0.2.7", null)]
    [InlineData("bad@BÜCHER.example", "192.0.2.7", "reject bad@BÜCHER.example from 192.0.2.7: 9.5")]   // as the DNS has it
    [InlineData("bad@straße.example", "192.0.2.7", "reject bad@straße.example from 192.0.2.7: 9.5")]   // as the sender writes it
    [InlineData("", "192.0.2.7", null)]
    public async Task Reputation_beyond_the_threshold_is_acted_on(string sender, string client, string? answer)
    {
        var file = await AwlAsync();
        await using var policy = new PolicyUnderTest($$"""
            { name = awl, module = SaAwlLookup, db_file = "{{file}}" }
            { name = act, module = SaAwlAction, result_from = awl, reject_message = "%SENDER% from %IP%: %SCORE%" }
            """);
        Assert.Equal(answer ?? "dunno", await policy.AskAsync(("sender", sender), ("client_address", client)));
    }

    [ServerTest]
    [Theory]
    [InlineData("mode = passive, score = 4", null, 4)]
    [InlineData("mode = passive, score_factor = 0.5", null, 4.75)]
    [InlineData("mode = accept", "dunno", 0)]
    [InlineData("mode = dunno", "dunno", 0)]
    [InlineData("match = lt, mode = accept", null, 0)]
    [InlineData("", "reject sender address/ip has bad reputation", 0)]
    [InlineData("enabled = off, score = 4", null, 0)]
    [InlineData("match = lt, score = 4", null, 0)]
    [InlineData("match = lt, threshold = 10, mode = passive, score = 4", null, 4)]
    [InlineData("match = lt, threshold = 9.5, mode = passive, score = 4", null, 4)]
    [InlineData("min_count = 11, score = 4", null, 0)]
    public async Task Action_does_what_its_options_say(string options, string? answer, double score)
    {
        var file = await AwlAsync();
        await using var policy = new PolicyUnderTest($$"""
            { name = awl, module = SaAwlLookup, db_file = "{{file}}" }
            { name = act, module = SaAwlAction, result_from = awl, {{options}} }
            { name = end, module = Action, action = "PREPEND X: went on" }
            """);
        Assert.Equal(answer ?? "PREPEND X: went on", await policy.AskAsync(("sender", "bad@example.org")));
        await policy.AskAsync(("sender", "bad@example.org"));
        Assert.Equal(score, PerlNumber.Parse(policy.Session["score"]));
    }

    [Fact]
    public async Task Without_the_file_mail_goes_on()
    {
        await using var policy = new PolicyUnderTest($$"""
            { name = awl, module = SaAwlLookup, db_file = "{{_maker.Folder["absent"]}}" }
            { name = act, module = SaAwlAction, result_from = awl }
            """);
        Assert.Equal("dunno", await policy.AskAsync(("sender", "bad@example.org")));
    }

    private Task<string> MapAsync(string text) => _maker.PostmapAsync("hash", Encoding.ASCII.GetBytes(text));

    private Task<string> AwlAsync() => _maker.PerlAsync("$DB_File::DB_HASH", ("", """
        sub seen { my ($key, $count, $total) = @_; $db{$key} = $count; $db{"$key|totscore"} = $total; }
        seen('bad@example.org|ip=192.0', 10, 95); seen('bad@example.org|ip=2001:0DB8:000A::', 10, 80); seen('bad@example.org|ip=2001:0DB8::', 10, 70); seen('bad@example.org|ip=0000::', 10, 60); seen('few@example.org|ip=192.0', 9, 90);
        seen('bad@xn--bcher-kva.example|ip=192.0', 10, 95); seen('bad@straße.example|ip=192.0', 10, 95);
        seen('five@example.org|ip=192.0', 20, 100); seen('good@example.org|ip=192.0', 100, -200);
        """));
}
