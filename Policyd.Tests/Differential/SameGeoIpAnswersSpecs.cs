using System.Net;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>GeoIPLookup and GeoIPAction give mtpolicyd's answers with Debian's database of countries.</summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameGeoIpAnswersSpecs(ITestOutputHelper output)
{
    private static readonly string s_user = DifferentialPlugins.LenientUser("sender", "lenient@example.com");

    private const string Chain = """
        <Plugin geo>
          module = "GeoIPLookup"
          database = "/usr/share/GeoIP/GeoIP.dat"
        </Plugin>
        <Plugin far>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "CN,KR,BR"
          uc_mode = "user_mode"
          score = 1
        </Plugin>
        <Plugin near>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "DE,AT,CH,GB,FR"
          mode = passive
          score = -1.5
        </Plugin>
        <Plugin worded>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "JP,AU,CA"
          uc_enabled = "user_off"
          reject_message = "%CC% is far from here, %IP%"
        </Plugin>
        <Plugin fine>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "NL,IT"
          mode = "accept"
          score = -3
        </Plugin>
        <Plugin fine-too>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "ES,SE"
          mode = "dunno"
        </Plugin>
        <Plugin america>
          module = "GeoIPAction"
          result_from = "geo"
          country_codes = "US"
          mode = "passive"
          score = 2
        </Plugin>
        """;

    [Theory]
    [InlineData("Memcached")]
    [InlineData("None")]
    public async Task Both_servers_answer_the_same(string sessionCache)
    {
        await Needs.Perl("Geo::IP", "libgeo-ip-perl");
        if (!File.Exists("/usr/share/GeoIP/GeoIP.dat"))
        {
            Needs.Missing<object>("Debian's geoip-database is not installed");
        }

        var seed = TestSeed.Next();
        var random = new Random(seed);
        string[] addresses = [.. Enumerable.Range(0, 500).Select(_ => new IPAddress(
            (byte[])[(byte)random.Next(1, 224), (byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(256)]).ToString())];
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"GeoIP, sessions {sessionCache}", $"{s_user}\n{Chain}\n{DifferentialPlugins.Tag}")
            {
                Seed = seed,
                SessionCache = sessionCache,
                Mails = 400,
                Attributes = new Dictionary<string, string[]>
                {
                    ["client_address"] = [
                        .. addresses, .. Enumerable.Repeat("2001:db8::25", 10), .. Enumerable.Repeat("127.0.0.1", 10),
                        .. Enumerable.Repeat("", 10), .. Enumerable.Repeat("unknown", 10)
                    ],
                    ["sender"] = ["a@example.com", "lenient@example.com", ""],
                    ["recipient"] = ["b@example.org", "c@example.org"],
                },
                LeastAnswers = 12,
            },
            output);
    }
}
