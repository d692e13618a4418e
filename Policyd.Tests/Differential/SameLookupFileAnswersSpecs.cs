using System.Text;
using Policyd.Tests.LookupFiles;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>PostfixMap, SaAwlLookup and SaAwlAction give mtpolicyd's answers on the same files.</summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameLookupFileAnswersSpecs(ITestOutputHelper output)
{
    private static readonly string s_user = DifferentialPlugins.LenientUser("recipient", "lenient@example.org");

    [Theory]
    [InlineData("match_action = \"reject on the list\"", "Memcached")]
    [InlineData("not_match_action = \"reject not on the list\"", "Memcached")]
    [InlineData("score = -2.5", "Memcached")]
    [InlineData("score = -2.5", "None")]
    public async Task PostfixMap_answers_the_same(string options, string sessionCache)
    {
        await Needs.Perl("BerkeleyDB", "libberkeleydb-perl");
        using var maker = new LookupFileMaker();
        var map = await maker.PostmapAsync("hash", Encoding.ASCII.GetBytes("""
            203.0.113 OK
            203.0.114 REJECT
            203.0.114.9 OK
            203.0 OK
            198.51.100.1 0
            198.51.100.2 12abc
            198.51.100.3 ok
            198.51.100.4 OK extra
            198.51.100.5 17
            2001:db8:a OK
            2001:db8:b::7 OK
            10 OK

            """));
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"PostfixMap {options}, sessions {sessionCache}", $"""
                {s_user}
                <Plugin map>
                  module = "PostfixMap"
                  db_file = "{map}"
                  uc_enabled = "user_off"
                  {options}
                </Plugin>
                {DifferentialPlugins.Tag}
                """)
            {
                SessionCache = sessionCache,
                Mails = 120,
                LeastAnswers = 2,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] =
                    [
                        "203.0.113.7", "203.0.113.8", "203.0.114.7", "203.0.114.9", "203.0.115.7", "203.1.115.7", "198.51.100.1",
                        "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5",
                        "2001:db8:a::9", "2001:db8:b::7", "2001:db8:b::8", "10.9.8.7", "110.9.8.7",
                    ],
                    ["recipient"] = ["b@example.org", "lenient@example.org"],
                },
            },
            output);
    }

    [Theory]
    [InlineData("rejecting", "Memcached")]
    [InlineData("scoring", "Memcached")]
    [InlineData("scoring", "None")]
    [InlineData("accepting", "Memcached")]
    public async Task SaAwl_answers_the_same(string chain, string sessionCache)
    {
        await Needs.Perl("BerkeleyDB", "libberkeleydb-perl");
        using var maker = new LookupFileMaker();
        var file = await maker.PerlAsync("$DB_File::DB_HASH", ("", """
            sub seen { my ($key, $count, $total) = @_; $db{$key} = $count; $db{"$key|totscore"} = $total; }
            seen('bad@example.com|ip=192.0', 10, 95); seen('bad@example.com|ip=2001:0DB8:000A::', 10, 80); seen('bad@example.com|ip=2001:0DB8::', 10, 70); seen('few@example.com|ip=192.0', 9, 90);
            seen('five@example.com|ip=192.0', 20, 100); seen('third@example.com|ip=192.0', 30, 200.5); seen('good@example.com|ip=192.0', 100, -250);
            """));
        var actions = chain switch
        {
            "rejecting" => """
                <Plugin bad>
                  module = "SaAwlAction"
                  result_from = "awl"
                  reject_message = "%SENDER% from %IP% has %SCORE%"
                  uc_mode = "user_mode"
                  score = 1
                </Plugin>
                """,
            "scoring" => """
                <Plugin bad>
                  module = "SaAwlAction"
                  result_from = "awl"
                  mode = "passive"
                  uc_enabled = "user_off"
                  score_factor = 0.5
                </Plugin>
                <Plugin seldom>
                  module = "SaAwlAction"
                  result_from = "awl"
                  mode = "passive"
                  min_count = 5
                  threshold = 9
                  score = 3
                </Plugin>
                <Plugin good>
                  module = "SaAwlAction"
                  result_from = "awl"
                  mode = "passive"
                  match = "lt"
                  threshold = -2.5
                  score = -5
                </Plugin>
                """,
            _ => """
                <Plugin good>
                  module = "SaAwlAction"
                  result_from = "awl"
                  match = "lt"
                  threshold = -2.5
                  mode = "accept"
                  score = -5
                </Plugin>
                <Plugin bad>
                  module = "SaAwlAction"
                  result_from = "awl"
                </Plugin>
                """,
        };
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"SaAwl {chain}, sessions {sessionCache}", $"""
                {s_user}
                <Plugin awl>
                  module = "SaAwlLookup"
                  db_file = "{file}"
                </Plugin>
                {actions}
                {DifferentialPlugins.Tag}
                """)
            {
                SessionCache = sessionCache,
                Mails = 150,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = [
                        "192.0.2.7", "192.0.200.1", "192.1.2.7", "2001:db8:a::1", "2001:db8:a:ffff::1", "2001:db8:b::1", "2001:db8::1"
                    ],
                    ["sender"] =
                    [
                        "bad@example.com", "bad@example.com", "few@example.com", "five@example.com", "third@example.com",
                        "good@example.com", "other@example.com", "",
                        chain == "accepting" ? "BAD@example.com" : "",
                    ],
                    ["recipient"] = ["b@example.org", "c@example.org", "lenient@example.org"],
                },
                Intended = chain == "accepting"
                    ? [new("SaAwlLookup: a sender in capitals", (request, _, _) => request.Sender == "BAD@example.com")]
                    : [],
            },
            output);
    }
}
