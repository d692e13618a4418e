using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Spf;

/// <summary>
/// Every case of the RFC's own test suite through the running server and a DNS server on loopback: what a name or a text becomes on the
/// wire, and what is cut and asked for again over TCP, is part of it. One server takes all cases. The cases of a scenario are asked
/// together, each at a virtual host of its own, so that each result is found in the log; between scenarios, whose zones contradict each
/// other, the resolver's small cache is filled with other names.
/// </summary>
[ServerTest]
public sealed partial class SpfSuiteServerSpecs(ITestOutputHelper output) : IDisposable
{
    private const int CasesOfTheSuite = 203;
    private const int CacheSize = 16;

    private readonly TemporaryFolder _folder = new();
    private readonly List<int> _ports = [];
    private readonly Dictionary<int, int> _asked = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_case_of_the_suite_comes_out_of_the_running_server_as_the_RFC_has_it()
    {
        Needs.SharedData("spf/rfc7208-tests.yml");
        var scenarios = SpfSuite.Cases.GroupBy(static one => one.Scenario).ToList();
        while (_ports.Count <= scenarios.Max(static scenario => scenario.Count()))
        {
            _ports.AddRange(new[] { FreePort.Next() }.Except(_ports));
        }

        await using var dns = new ScriptedDnsServer();
        await using var server = await PolicydProcess.Serve(Configure(dns), _ports[^1]);
        await Task.WhenAll(_ports.Select(port => PolicydProcess.Listens(server, port)));
        var wrong = new List<string>();
        foreach (var scenario in scenarios)
        {
            dns.Clear();
            Fill(dns, scenario.First().Zone);
            wrong.AddRange((await Task.WhenAll(scenario.Select((one, number) => CheckAsync(server, one, number)))).OfType<string>());
            await ForgetAsync(scenario.Key);
        }

        Summary.Line(
            output,
            $"SPF: {SpfSuite.Cases.Count - wrong.Count} of {SpfSuite.Cases.Count} cases of the RFC 7208 suite through the running server, "
                + $"{dns.Queries} questions to a DNS server, {dns.TcpQueries} of them over TCP");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(CasesOfTheSuite, SpfSuite.Cases.Count);
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>What is wrong; null when nothing is.</returns>
    private async Task<string?> CheckAsync(ProcessUnderTest server, SpfCase one, int number)
    {
        var action = await AskAsync(_ports[number], one.Host.ToString(), one.Helo, one.MailFrom);

        // Without any name there is nothing to check, and nothing to log.
        var verdict = one.MailFrom.Length + one.Helo.Length == 0 ? "none" : await VerdictAsync(server, number);
        var fits = verdict switch
        {
            "pass" => action == "PREPEND X-MtScore: NO score=1 [spf=1]",
            "softfail" => action == "PREPEND X-MtScore: NO score=2 [spf=2]",
            "neutral" or "none" => action == "PREPEND X-MtScore: NO score=0",
            "fail" => action == "reject FAIL" || action.StartsWith("reject FAIL ", StringComparison.Ordinal),
            "temperror" => action.StartsWith("defer spf mfrom check failed: ", StringComparison.Ordinal),
            _ => action.StartsWith("reject spf mfrom check failed: ", StringComparison.Ordinal),
        };
        return !one.Results.Contains(verdict) ? $"{one}: {verdict} ({action}), not {string.Join(" or ", one.Results)}"
            : !fits ? $"{one}: {verdict}, yet the answer is {action}"
            : verdict == "fail" && one.Explanation is { } expected && action != ("reject FAIL " + expected).TrimEnd()
                ? $"{one}: {action}, not explained as \"{expected}\""
                : null;
    }

    /// <summary>What the log says of the last case of a virtual host.</summary>
    private async Task<string> VerdictAsync(ProcessUnderTest server, int number)
    {
        int before;
        lock (_asked)
        {
            before = _asked.GetValueOrDefault(number);
            _asked[number] = before + 1;
        }

        List<string> lines = [];
        await Eventually.Holds(
            $"line {before + 1} about SPF in the log of virtual host {number}",
            () => (lines = [
                .. server.Lines.Where(line => line.Contains(NameOf(number), StringComparison.Ordinal) && Logged().IsMatch(line))
            ]).Count > before);
        return Logged().Match(lines[before]).Groups[1].Value.ToLowerInvariant();
    }

    /// <summary>Fills the resolver's cache with names that are nobody's.</summary>
    private async Task ForgetAsync(string scenario)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _ports[^1]), Cancel);
        for (var number = 0; number < 2 * CacheSize; number++)
        {
            var sender = $"a@n{number}.{scenario.Replace(' ', '-')}.nobody.test";
            Assert.Equal("PREPEND X-MtScore: NO score=0", await client.AskAsync(Request("192.0.2.1", "", sender), Cancel));
        }
    }

    private static async Task<string> AskAsync(int port, string address, string helo, string sender)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        return await client.AskAsync(Request(address, helo, sender), Cancel);
    }

    private static byte[] Request(string address, string helo, string sender) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", "RCPT")
            .Add("instance", Guid.NewGuid().ToString("N"))
            .Add("client_address", address)
            .Add("helo_name", helo)
            .Add("sender", sender)
            .ToBytes();

    // What the suite calls SPF stands in TXT as well, where a name has no TXT of its own.
    private static void Fill(ScriptedDnsServer dns, SpfZone zone)
    {
        foreach (var name in zone.Records.GroupBy(static record => record.Name, StringComparer.OrdinalIgnoreCase))
        {
            var text = name.Any(static record => record.Type == "TXT") ? "TXT" : "SPF";
            foreach (var (owner, type, values) in name)
            {
                _ = (type, values) switch
                {
                    ("TIMEOUT", _) or (_, ["TIMEOUT"]) => dns.With(DnsFault.SilenceOtherwise, owner),
                    ("TXT" or "SPF", _) when type != text || values is ["NONE"] => dns,
                    ("TXT" or "SPF", _) => dns.Txt(owner, [.. Strings(values)]),
                    ("A", [var address]) => dns.A(owner, address),
                    ("AAAA", [var address]) => dns.Aaaa(owner, address),
                    ("MX", [var preference, var host]) =>
                        dns.Mx(owner, int.Parse(preference, System.Globalization.CultureInfo.InvariantCulture), host),
                    ("PTR", [var target]) => dns.Ptr(owner, target),
                    ("CNAME", [var target]) => dns.Cname(owner, target),
                    _ => throw new InvalidOperationException($"the suite has a {type} that this test does not know"),
                };
            }
        }
    }

    // A string of a TXT record has 255 bytes at most, and a record one string at least.
    private static IEnumerable<string> Strings(IReadOnlyList<string> values) =>
        values.SelectMany(static value => value.Chunk(255).Select(static part => new string(part))).DefaultIfEmpty("");

    private static string NameOf(int number) => $"suite{number:D2}";

    private string Configure(ScriptedDnsServer dns) => _folder.Write("policyd.hocon", $$"""
        policyd {
          listen = [{{string.Join(", ", _ports.Select(port => $"\"127.0.0.1:{port}\""))}}]
          admin { listen = off }
          dns { servers = ["{{dns.Address}}"], timeout = 3s, cache_size = {{CacheSize}} }
          virtual_hosts = [
        {{string.Join('\n', _ports.Select((port, number) => $$"""
            { name = {{(number < _ports.Count - 1 ? NameOf(number) : "forgets")}}, port = {{port}}, plugins = [
              { name = spf, module = SPF, check_helo = off, log_level = 2, pass_score = 1, softfail_score = 2, reject_message = "FAIL %AUTH_EXPL%"
                default_authority_explanation = DEFAULT, hostname = unknown }
              { name = header, module = AddScoreHeader }
            ] }
        """))}}
          ]
        }
        """);

    [GeneratedRegex("mfrom .*: (None|Neutral|Pass|Fail|SoftFail|TempError|PermError), ")]
    private static partial Regex Logged();
}
