using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Ldap;
using Policyd.Plugins.LookupFiles;
using Policyd.Plugins.Services;
using Policyd.Plugins.Smtp;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Testing;
using Policyd.Tests.Plugins.Counting;

namespace Policyd.Tests.Authors;

/// <summary>Directories, stores, mail servers, fail2ban and files in a third party's plugin, with the fakes of its tests.</summary>
public sealed class SourceServicesSpecs
{
    private static readonly (string, string) Client = ("client_address", "192.0.2.1");
    private static readonly (string, string) Sender = ("sender", "joe*@example.org");

    [Fact]
    public async Task Search_escapes_the_value_and_gives_no_more_than_was_asked_for()
    {
        var test = PluginTest.For<SourcesPlugin>();
        var entry = new LdapEntry("uid=joe", new Dictionary<string, IReadOnlyList<string>> { ["limit"] = ["7"] });
        test.Fakes.Directory.Answer(@"(mail=joe\2a@example.org)", entry, entry);
        var result = await Run(test, async (plugin, context) => await plugin.Lookup!.SearchAsync(context, context.Request.Sender));
        Assert.Equal(LdapResult.SizeLimitExceeded, result.Code);
        Assert.Equal("7", Assert.Single(result.Entries).Attributes["limit"][0]);
        Assert.Equal([@"(mail=joe\2a@example.org)"], test.Fakes.Directory.Asked);
        test.Fakes.Directory.IsAway = true;
        await Assert.ThrowsAsync<LdapException>(
            () => Run(test, async (plugin, context) => await plugin.Lookup!.SearchAsync(context, "x")));
    }

    [Fact]
    public async Task Stored_value_goes_after_its_time()
    {
        var clock = new SetClock();
        var test = PluginTest.For<SourcesPlugin>(clock: clock);
        var store = test.Plugin.KeptIn!;
        var ct = TestContext.Current.CancellationToken;
        await store.AddAsync("a", 1, TimeSpan.FromSeconds(10), ct);
        await store.AddAsync("a", 2, TimeSpan.FromSeconds(99), ct);
        Assert.Equal(1, await store.FindAsync("a", ct));
        Assert.Equal(["a"], test.Fakes.Expiring.Keys);
        clock.Now += TimeSpan.FromSeconds(11);
        Assert.Null(await store.FindAsync("a", ct));
        await store.SetAsync("a", 3, TimeSpan.FromSeconds(10), ct);
        await store.RemoveAsync("a", ct);
        Assert.Empty(test.Fakes.Expiring.Keys);
        test.Fakes.Expiring.IsAway = true;
        await Assert.ThrowsAsync<CacheException>(() => store.FindAsync("a", ct).AsTask());
    }

    [Fact]
    public async Task Mail_server_is_asked_about_an_address()
    {
        var test = PluginTest.For<SourcesPlugin>();
        test.Fakes.Mail.Answer("gone@example.org", SmtpVerdict.Permanent("550 no such user"));
        var verdicts = new List<SmtpOutcome>();
        foreach (var address in new[] { "gone@example.org", "joe@example.org" })
        {
            verdicts.Add((await Run(test, (plugin, context) => plugin.Verifier!.VerifyAsync(
                new SmtpQuestion("mx.example.com", null, SmtpAddress.Parse(address)!, 0) { Lookups = context.Lookups },
                line => context.Log(default, plugin, line),
                SourceTime.Of(context.Remaining, TimeSpan.FromSeconds(10))))).Outcome);
        }

        Assert.Equal([SmtpOutcome.Permanent, SmtpOutcome.Accepted], verdicts);
        Assert.Equal(["<gone@example.org>", "<joe@example.org>"], test.Fakes.Mail.Asked.Select(static asked => asked.Recipient.Path));
    }

    [Fact]
    public async Task Address_is_banned_in_the_jail_of_the_options()
    {
        var test = PluginTest.For<SourcesPlugin>("jail = spam");
        var ct = TestContext.Current.CancellationToken;
        Assert.Equal(0, (await test.Plugin.Ban!.BanAsync(IPAddress.Parse("192.0.2.1"), ct)).Status);
        Assert.Equal(["spam: 192.0.2.1"], test.Fakes.Fail2Ban.Banned);
        test.Fakes.Fail2Ban.IsAway = true;
        await Assert.ThrowsAsync<SocketException>(() => test.Plugin.Ban.BanAsync(IPAddress.Loopback, ct).AsTask());
    }

    [Fact]
    public void Files_are_known_when_they_can_be_read()
    {
        var test = PluginTest.For<SourcesPlugin>();
        test.Fakes.Files.Entries["192.0.2.1"] = "OK";
        test.Fakes.Files.Countries[IPAddress.Parse("192.0.2.1")] = "CH";
        Assert.Equal("OK", test.Plugin.Map!.Current!["192.0.2.1"]);
        Assert.True(test.Plugin.Countries!.TryFind(IPAddress.Parse("192.0.2.1"), out var country));
        Assert.Equal("CH", country);
        Assert.True(test.Plugin.Countries.TryFind(IPAddress.Parse("192.0.2.2"), out country));
        Assert.Null(country);
        test.Fakes.Files.AreUnreadable = true;
        Assert.Null(test.Plugin.Map.Current);
        Assert.False(test.Plugin.Countries.TryFind(IPAddress.Parse("192.0.2.1"), out _));
    }

    [Theory]
    [InlineData("filter = \"(mail=%s\"", "filter: ")]
    [InlineData("ldap = lda", "ldap: there is no connection \"lda\"; did you mean ldap?")]
    [InlineData("store = Memry", "store: nothing can be stored in \"Memry\"; did you mean Memory?")]
    [InlineData("store = Vault", "store: nothing can be stored in \"Vault\"; available: Memory, Sql")]
    [InlineData("store = sql, connection = data", "store: there is no connection \"data\"")]
    [InlineData("host = \"xn--ü.example\"", "host: \"xn--ü.example\" is not a valid host name")]
    [InlineData("port = 0", "port: 0 is not a port; it must be from 1 to 65535")]
    [InlineData("jail = \"\"", "jail: the name of the jail is empty")]
    [InlineData("socket = \"\"", "socket: the path of the socket is empty")]
    public void Option_that_does_not_fit_is_told(string options, string expected) => Assert.Contains(
        "plugin Sources: " + expected,
        Assert.Throws<PluginOptionsException>(() => PluginTest.For<SourcesPlugin>(options)).Message,
        StringComparison.Ordinal);

    // What a plugin does in its turn.
    private static async Task<T> Run<T>(PluginTest<SourcesPlugin> test, Func<SourcesPlugin, PluginContext, Task<T>> turn)
    {
        var result = default(T);
        test.Plugin.Turn = async context => result = await turn(test.Plugin, context);
        await test.RunAsync(Client, Sender);
        return result!;
    }

    /// <summary>A plugin with all of them.</summary>
    [Module("Sources")]
    public sealed class SourcesPlugin : Plugin
    {
        public string Filter { get; set; } = "(mail=%s)";

        public string Ldap { get; set; } = "ldap";

        public string Store { get; set; } = "Memory";

        public string Connection { get; set; } = "db";

        public string? Host { get; set; }

        public int Port { get; set; } = 25;

        public string Socket { get; set; } = "/run/fail2ban/fail2ban.sock";

        public string Jail { get; set; } = "postfix";

        internal Func<PluginContext, Task> Turn { get; set; } = static _ => Task.CompletedTask;

        internal LdapLookup? Lookup { get; private set; }

        internal IExpiringStore? KeptIn { get; private set; }

        internal IMailVerifier? Verifier { get; private set; }

        internal Fail2BanJail? Ban { get; private set; }

        internal IWatchedFile<IReadOnlyDictionary<string, string>>? Map { get; private set; }

        internal CountryLookup? Countries { get; private set; }

        public override void Initialize(PluginSetup setup)
        {
            Lookup = setup.Search("filter", Filter, "dc=example,dc=org", ["limit"], Ldap);
            KeptIn = setup.ExpiringStore("store", Store, Connection);
            Verifier = setup.MailVerifier(new SmtpVerifierOptions(Host, Port));
            Ban = setup.Fail2Ban(Socket, Jail);
            Map = setup.PostfixMap("map", "hash:/etc/postfix/clients", "No client is known.");
            Countries = setup.Countries("countries", "/usr/share/GeoIP/GeoIP.dat", "No country is known.");
        }

        public override async ValueTask<PluginResult> RunAsync(PluginContext context)
        {
            await Turn(context);
            return PluginResult.Continue;
        }
    }
}
