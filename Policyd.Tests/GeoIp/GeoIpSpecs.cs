using System.Net;
using Policyd.Backends.GeoIp;
using Policyd.Engine.Model;
using Policyd.Plugins.GeoIp;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.GeoIp;

public sealed class GeoIpSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("2.125.160.216", "GB")]
    [InlineData("81.2.69.142", "GB")]
    [InlineData("89.160.20.112", "SE")]
    [InlineData("::ffff:89.160.20.112", "SE")]
    [InlineData("2001:218::1", "JP")]
    [InlineData("192.0.2.1", null)]
    [InlineData("127.0.0.1", null)]
    public void Country_is_read_from_a_mmdb_file(string address, string? country)
    {
        using var database = CountryDatabase.Open(Needs.SharedData("geoip/GeoLite2-Country-Test.mmdb"));
        Assert.Equal(country, database.CountryOf(IPAddress.Parse(address)));
    }

    [ServerTest]
    [Fact]
    public async Task Countries_of_the_form_before_are_those_that_its_own_program_finds()
    {
        var program = Needs.Program("geoiplookup");
        var file = File.Exists("/usr/share/GeoIP/GeoIP.dat")
            ? "/usr/share/GeoIP/GeoIP.dat"
            : Needs.Missing<string>("Debian's geoip-database is not installed");
        using var database = CountryDatabase.Open(file);
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var round = 0; round < 150; round++)
        {
            var address = new IPAddress(BitConverter.GetBytes(random.Next(0x01000001, int.MaxValue)));
            var (_, text) = await ProcessUnderTest.Run(program, "-f", file, $"{address}");
            var said = text.Trim().Split(": ", 2)[1];
            var expected = said.Length > 2 && said[2] == ',' && said[..2] != "--" ? said[..2] : null;
            Assert.True(
                expected == database.CountryOf(address), $"seed {seed}: {address}: {database.CountryOf(address)}, the program says {said}");
        }

        Assert.Null(database.CountryOf(IPAddress.Parse("2001:db8::1")));
        using var v6 = CountryDatabase.Open("/usr/share/GeoIP/GeoIPv6.dat");
        Assert.Equal("US", v6.CountryOf(IPAddress.Parse("2001:4860::1")));
    }

    [Fact]
    public void No_damage_of_a_file_does_more_than_hide_countries()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var whole = File.ReadAllBytes(Needs.SharedData("geoip/GeoLite2-Country-Test.mmdb"));
        for (var round = 0; round < 300; round++)
        {
            var bytes = whole[..random.Next(1, whole.Length)];
            for (var flips = random.Next(0, 20); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            }

            File.WriteAllBytes(_folder["damaged"], bytes);
            try
            {
                using var database = CountryDatabase.Open(_folder["damaged"]);
                database.CountryOf(IPAddress.Parse("89.160.20.112"));
            }
            catch (IOException)
            {
                // Told in words.
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }
    }

    [Theory]
    [InlineData("<html>404 Not Found: this is no database, only a page that stands in its place</html>")]
    [InlineData("abcdef")]
    [InlineData("\0\0\0\0\0\u0001")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0")]
    public void Something_else_in_the_place_of_a_database_is_told_and_not_read(string text)
    {
        File.WriteAllBytes(_folder["GeoIP.dat"], System.Text.Encoding.Latin1.GetBytes(text));
        Assert.Contains(
            "is not a country database",
            Assert.Throws<IOException>(() => CountryDatabase.Open(_folder["GeoIP.dat"])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_mmdb_file_of_something_else_than_countries_is_told_and_not_read()
    {
        // One node: half of all addresses have the record { "as": 5 }, the others none.
        File.WriteAllBytes(_folder["asn.mmdb"], [
            0, 0, 17, 0, 0, 1, .. new byte[16], 0xe1, .. Text("as"), 0xc1, 5, .. MmdbCountries.Marker, 0xe9,
            .. Text("binary_format_major_version"), 0xa1, 2, .. Text("binary_format_minor_version"), 0xa1, 0,
            .. Text("build_epoch"), 1, 2, 1, .. Text("database_type"), .. Text("ASN"), .. Text("description"), 0xe0,
            .. Text("ip_version"), 0xa1, 4, .. Text("languages"), 0, 4, .. Text("node_count"), 0xc1, 1, .. Text("record_size"), 0xa1, 24,
        ]);
        Assert.Equal(
            "it is not a country database: no record of this ASN has country.iso_code",
            Assert.Throws<IOException>(() => CountryDatabase.Open(_folder["asn.mmdb"])).Message);

        static byte[] Text(string text) => [(byte)(0x40 | text.Length), .. System.Text.Encoding.ASCII.GetBytes(text)];
    }

    [Fact]
    public void No_damage_of_a_file_of_the_form_before_does_more_than_hide_countries()
    {
        // Two nodes: 0.0.0.0/1 is in Europe, 128.0.0.0/2 in Andorra, the rest nowhere.
        byte[] whole = [2, 255, 255, 1, 0, 0, 3, 255, 255, 0, 255, 255, 0xff, 0xff, 0xff, 1];
        File.WriteAllBytes(_folder["GeoIP.dat"], whole);
        using (var database = CountryDatabase.Open(_folder["GeoIP.dat"]))
        {
            Assert.Equal("EU", database.CountryOf(IPAddress.Parse("1.2.3.4")));
            Assert.Equal("AD", database.CountryOf(IPAddress.Parse("130.2.3.4")));
            Assert.Null(database.CountryOf(IPAddress.Parse("200.2.3.4")));
        }

        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var round = 0; round < 2000; round++)
        {
            var bytes = whole[..random.Next(1, whole.Length)];
            for (var flips = random.Next(0, 8); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            if (LegacyCountries.TryRead(bytes) is { } database)
            {
                var address = new IPAddress(BitConverter.GetBytes(random.Next()));
                Assert.True(Record.Exception(() => database.CountryOf(address)) is null, $"seed {seed}, round {round}");
            }
        }
    }

    [Theory]
    [InlineData("country_codes = \"SE,GB\"", "89.160.20.112", "reject delivery from SE (89.160.20.112) rejected")]
    [InlineData("country_codes = \"de,se\", mode = accept", "89.160.20.112", "dunno")]
    [InlineData("country_codes = SE, mode = passive, score = 5", "89.160.20.112", "PREPEND X-MtScore: YES score=5 [act=5]")]
    [InlineData("country_codes = GB", "89.160.20.112", "PREPEND X-MtScore: NO score=0")]
    [InlineData("country_codes = SE", "192.0.2.1", "PREPEND X-MtScore: NO score=0")]
    [InlineData("country_codes = SE", "unknown", "PREPEND X-MtScore: NO score=0")]
    [InlineData("country_codes = SE, enabled = off", "89.160.20.112", "PREPEND X-MtScore: NO score=0")]
    public async Task GeoIPAction_acts_on_what_GeoIPLookup_found(string options, string client, string answer)
    {
        var policy = new PolicyUnderTest(
            $"{{ name = geo, module = GeoIPLookup, database = \"{Needs.SharedData("geoip/GeoLite2-Country-Test.mmdb")}\" }}, {{ name = "
                + $"act, module = GeoIPAction, result_from = geo, {options} }}, {{ name = tag, module = AddScoreHeader }}");
        Assert.Equal(answer, await policy.AskAsync(("client_address", client)));
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_a_warning_and_mail_goes_on()
    {
        Assert.NotNull(PolicyUnderTest.Build("policyd { virtual_hosts = [ { port = 12345, plugins = [ { module = GeoIPLookup, database = \""
            + _folder["none.dat"] + "\" } ] } ] }", out var diagnostics));
        Assert.Contains("no country is known", Assert.Single(diagnostics.All).Message, StringComparison.Ordinal);
        var policy = new PolicyUnderTest(
            $"{{ name = geo, module = GeoIPLookup, database = \"{_folder["none.dat"]}\" }}, {{ name = act, module = GeoIPAction, "
                + $"result_from = geo, country_codes = SE }}");
        Assert.Equal("dunno", await policy.AskAsync());
    }

    [Fact]
    public async Task A_database_that_comes_later_is_read_and_one_that_is_empty_leaves_what_was_there()
    {
        var whole = Needs.SharedData("geoip/GeoLite2-Country-Test.mmdb");
        var clock = new ManualClock();
        await using var policy = PolicyUnderTest.Of(
            $$"""policyd { virtual_hosts = [ { port = 12345, plugins = [ { name = geo, module = GeoIPLookup, database """
                + $$"""= "{{_folder["countries"]}}" }, { module = GeoIPAction, result_from = geo, country_codes = SE } ] } ] }""",
            new ModelEnvironment { Clock = clock });
        Assert.Equal("dunno", await AskAsync());

        // In one step: a look that is still under way must not see a part of it.
        File.Copy(whole, _folder["countries.new"]);
        File.Move(_folder["countries.new"], _folder["countries"]);
        Assert.Equal("dunno", await AskAsync());
        await Eventually.Holds("the database to be read", () => LookAgainAsync("reject delivery from SE (89.160.20.112) rejected"));
        File.WriteAllText(_folder["countries"], "");   // as one that is just being copied
        await Eventually.Holds("the empty one to be seen", async () => await LookAgainAsync(
            "reject delivery from SE (89.160.20.112) rejected") && policy.Log.Containing("is not a country database").Any());

        // An operator who has broken it must hear of it, once.
        for (var look = 0; look < 5; look++)
        {
            Assert.True(await LookAgainAsync("reject delivery from SE (89.160.20.112) rejected"));
        }

        var (level, line) = Assert.Single(
            policy.Log.Lines, line => line.Message.Contains("is not a country database", StringComparison.Ordinal));
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, level);
        Assert.EndsWith("the last valid version stays in use", line, StringComparison.Ordinal);

        Task<string?> AskAsync()
        {
            policy.NewMail();
            return policy.AskAsync(("client_address", "89.160.20.112"));
        }

        async Task<bool> LookAgainAsync(string answer)
        {
            clock.Advance(TimeSpan.FromSeconds(11));
            return await AskAsync() == answer;
        }
    }
}
