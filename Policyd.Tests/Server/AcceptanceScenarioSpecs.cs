using System.Globalization;
using Policyd.Backends.Dns;
using Policyd.Plugins.Dns;
using Policyd.Protocol;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// What an operator of mtpolicyd tries first, each on the whole server with an mtpolicyd.conf: the least that answers, Spamhaus' lists,
/// virtual hosts by policy context.
/// </summary>
public sealed class AcceptanceScenarioSpecs
{
    private const string Spamhaus = """
        <Plugin spamhaus>
          module = "RBL"
          mode = "passive"
          domain = "zen.spamhaus.org"
        </Plugin>
        <Plugin spamhaus-sbl>
          module = "RBLAction"
          result_from = "spamhaus"
          mode = "passive"
          re_match = "^127\.0\.0\.[23]$"
          score = 5
        </Plugin>
        <Plugin spamhaus-xbl>
          module = "RBLAction"
          result_from = "spamhaus"
          mode = "passive"
          re_match = "^127\.0\.0\.[4-7]$"
          score = 5
        </Plugin>
        <Plugin spamhaus-pbl>
          module = "RBLAction"
          result_from = "spamhaus"
          mode = "passive"
          re_match = "^127\.0\.0\.1[01]$"
          score = 3
        </Plugin>
        <Plugin spamhaus-dbl>
          module = "DBL"
          domain = "dbl.spamhaus.org"
          helo_name_mode = passive
          helo_name_score = 1
          sender_mode = passive
          sender_score = 5
          reverse_client_name_mode = passive
          reverse_client_name_score = 2.5
        </Plugin>
        <Plugin ScoreReject>
          module = "ScoreAction"
          threshold = 10
          action = "reject sender ip %IP% is blocked (score=%SCORE%%SCORE_DETAIL%)"
        </Plugin>
        <Plugin ScoreTag>
          module = "AddScoreHeader"
          spam_score = 5
        </Plugin>
        """;

    private readonly int _port = FreePort.Next();
    private readonly int _otherPort = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Minimal_configuration_answers()
    {
        await using var server = await ServerUnderTest.StartAsync(
            $"""
            port = "127.0.0.1:{_port}"
            <VirtualHost {_port}>
              name = "minimal"
            </VirtualHost>
            """,
            "mtpolicyd.conf");
        Assert.Equal("dunno", await AskAsync(_port, ("client_address", "192.0.2.1")));
        Assert.Equal("dunno", await AskAsync(_port));
    }

    [Theory]
    [InlineData("", "PREPEND X-MtScore: NO score=0")]
    [InlineData("client_address=192.0.2.2", "PREPEND X-MtScore: YES score=5 [spamhaus-sbl=5]")]
    [InlineData("client_address=192.0.2.3", "PREPEND X-MtScore: YES score=5 [spamhaus-sbl=5]")]
    [InlineData("client_address=192.0.2.4", "PREPEND X-MtScore: YES score=5 [spamhaus-xbl=5]")]
    [InlineData("client_address=192.0.2.7", "PREPEND X-MtScore: YES score=5 [spamhaus-xbl=5]")]
    [InlineData("client_address=192.0.2.10", "PREPEND X-MtScore: NO score=3 [spamhaus-pbl=3]")]
    [InlineData("client_address=192.0.2.11", "PREPEND X-MtScore: NO score=3 [spamhaus-pbl=3]")]
    [InlineData("client_address=192.0.2.9", "PREPEND X-MtScore: NO score=0")]
    [InlineData("sender=a@listed.example", "PREPEND X-MtScore: YES score=5 [spamhaus-dbl-sender=5]")]
    [InlineData("reverse_client_name=listed.example", "PREPEND X-MtScore: NO score=2.5 [spamhaus-dbl-reverse_client_name=2.5]")]
    [InlineData("helo_name=listed.example", "PREPEND X-MtScore: NO score=1 [spamhaus-dbl-helo_name=1]")]
    [InlineData(
        "client_address=192.0.2.10 helo_name=listed.example", "PREPEND X-MtScore: NO score=4 [spamhaus-pbl=3, spamhaus-dbl-helo_name=1]")]
    [InlineData(
        "client_address=192.0.2.2 sender=a@listed.example",
        "reject sender ip 192.0.2.2 is blocked (score=10, spamhaus-sbl=5, spamhaus-dbl-sender=5)")]
    public async Task Spamhaus_lists_score_by_the_kind_of_listing(string attributes, string answer)
    {
        await using var dns = new ScriptedDnsServer().A("listed.example.dbl.spamhaus.org", "127.0.1.2");
        foreach (var host in (int[])[2, 3, 4, 7, 9, 10, 11])
        {
            dns.A($"{host}.2.0.192.zen.spamhaus.org", $"127.0.0.{host}");
        }

        await using var resolver = new DnsResolver(
            new DnsOptions { Servers = [dns.Address], Timeout = TimeSpan.FromSeconds(20) },
            TimeProvider.System,
            new LogCapture().CreateLogger("dns"));
        await using var server = await ServerUnderTest.StartAsync(
            $"""
            port = "127.0.0.1:{_port}"
            <VirtualHost {_port}>
              name = "spamhaus"
              {Spamhaus}
            </VirtualHost>
            """,
            "mtpolicyd.conf",
            resolver);
        (string, string)[] given = [.. attributes.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(attribute => (attribute.Split('=')[0], attribute.Split('=')[1]))];
        Assert.Equal(answer, await AskAsync(_port, given));
    }

    [Theory]
    [InlineData(1, "first", "first")]
    [InlineData(1, "second", "second")]
    [InlineData(1, "", "first")]
    [InlineData(1, null, "first")]
    [InlineData(1, "third", "first")]
    [InlineData(2, "first", "first")]
    [InlineData(2, "second", "second")]
    [InlineData(2, null, "second")]
    public async Task Policy_context_names_the_virtual_host_and_the_ports_is_the_fallback(int port, string? context, string host)
    {
        await using var server = await StartTwoHostsAsync("vhost_by_policy_context = 1");
        Assert.Equal($"PREPEND X-Host: {host}", await AskContextAsync(port, context));
    }

    [Theory]
    [InlineData("")]
    [InlineData("vhost_by_policy_context = 0")]
    public async Task Policy_context_means_nothing_unless_it_is_configured(string option)
    {
        await using var server = await StartTwoHostsAsync(option);
        Assert.Equal("PREPEND X-Host: first", await AskContextAsync(1, "second"));
        Assert.Equal("PREPEND X-Host: second", await AskContextAsync(2, "first"));
    }

    private Task<ServerUnderTest> StartTwoHostsAsync(string option) => ServerUnderTest.StartAsync(
        $"""
        port = "127.0.0.1:{_port},127.0.0.1:{_otherPort}"
        {option}
        <VirtualHost {_port}>
          name = "first"
          <Plugin say>
            module = "Action"
            action = "PREPEND X-Host: first"
          </Plugin>
        </VirtualHost>
        <VirtualHost {_otherPort}>
          name = "second"
          <Plugin say>
            module = "Action"
            action = "PREPEND X-Host: second"
          </Plugin>
        </VirtualHost>
        """,
        "mtpolicyd.conf");

    private Task<string> AskContextAsync(int port, string? context) =>
        AskAsync(port == 1 ? _port : _otherPort, context is null ? [] : [("policy_context", context)]);

    private static async Task<string> AskAsync(int port, params (string Name, string Value)[] attributes)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", string.Create(CultureInfo.InvariantCulture, $"{Guid.NewGuid()}"));
        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        return await Eventually.Ends("an answer", client.AskAsync(request.ToBytes(), Cancel).AsTask());
    }
}
