using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// The mtpolicyd.conf that Debian's package installs: ours reads it as it is and answers as mtpolicyd does, and so it does on the file that
/// <c>policyd convert</c> makes of it. Only user, port, memcached and database are those of the test, and names are asked of a scripted
/// server alone.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed partial class DebianConfigurationSpecs(ITestOutputHelper output)
{
    private const string Installed = "/etc/mtpolicyd/mtpolicyd.conf";

    [Fact]
    public async Task Check_finds_no_error_in_it_and_nothing_that_is_lost()
    {
        Text();
        var result = await Command.RunAsync("", "check", "-c", Installed);
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal($"{Installed}: no errors", lines[0]);
        Assert.All(lines[1..], static line => Assert.Matches("^db: at the next start: table policyd_[a-z_]+: created$", line));
        Assert.Equal(0, result.ExitCode);
        Assert.All(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches(
            "(user|group|min_servers|max_servers|min_spare_servers|max_spare_servers|max_requests) has no effect and is ignored|^.*notice",
            line));
        Summary.Line(output, $"policyd check on Debian's mtpolicyd.conf says:\n{result.Error}{result.Output}");
    }

    [Fact]
    public async Task Converted_it_is_a_configuration_without_error()
    {
        Text();
        var converted = await Command.RunAsync("", "convert", Installed);
        Assert.Equal(0, converted.ExitCode);
        using var folder = new TemporaryFolder();
        var file = folder.Write("policyd.hocon", converted.Output);
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Empty(result.Error);
    }

    [Fact]
    public async Task It_and_what_convert_makes_of_it_answer_as_mtpolicyd_does()
    {
        Text();
        await using var dns = Zones();
        var tickets = new DifferentTickets();
        await DifferentialRun.HoldsAsync(
            Setup("Debian's mtpolicyd.conf, also converted", dns) with
            {
                Third = (configuration, port) => ServeConvertedAsync(configuration, port, dns),
                Seen = (request, _, _) => tickets.See(request),
                Intended = [new("Greylist: later requests of a mail", tickets.Explain)],
            },
            output);
    }

    private static DifferentialSetup Setup(string name, ScriptedDnsServer dns) => new(name, "")
    {
        Whole = Adapted,
        Dns = dns,
        Mails = 250,
        MostRecipients = 3,
        LeastAnswers = 12,
        Comparable = static answer => Seconds().Replace(Words().Replace(answer, "SPF validation failed:"), "(Ns left)"),
        Prepare = folder => File.WriteAllTextAsync(Path.Combine(folder, "mtpolicyd.sqlite"), "", TestContext.Current.CancellationToken),
        Attributes = new Dictionary<string, string[]>
        {
            ["client_address"] = [
                "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9",
                "192.0.2.10", "5.9.0.1", "5.9.0.2", "77.88.8.8", "77.88.8.9", "2001:db8::25"
            ],
            ["reverse_client_name"] = ["unknown", "mx.good.test", "mx.good.test", "listed.test"],
            ["client_name"] = ["unknown", "mx.good.test"],
            ["helo_name"] = ["mx.good.test", "mx.good.test", "fail.test", "listed.test"],
            ["sender"] = ["", "a@good.test", "b@good.test", "a@pass.test", "a@fail.test", "a@soft.test", "a@listed.test"],
            ["recipient"] = ["b@example.org", "c@example.org"],
        },
    };

    // What a user of another machine would change, and nothing else.
    private static string Adapted(int port, int memcachedPort) => Text()
        .Replace("user=mtpolicyd", "user=nobody", StringComparison.Ordinal)
            .Replace("group=mtpolicyd", "group=nogroup", StringComparison.Ordinal)
            .Replace("12345", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("127.0.0.1:11211", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{memcachedPort}"), StringComparison.Ordinal)
            .Replace("/var/lib/mtpolicyd/mtpolicyd.sqlite", "@OWN@/mtpolicyd.sqlite", StringComparison.Ordinal);

    private static string Text()
    {
        try
        {
            return File.ReadAllText(Installed);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return Needs.Missing<string>($"{Installed} cannot be read (Debian's mtpolicyd): {unreadable.Message}");
        }
    }

    private static async Task<IAsyncDisposable> ServeConvertedAsync(string configuration, int port, ScriptedDnsServer dns)
    {
        using var folder = new TemporaryFolder();
        var converted = await Command.RunAsync("", "convert", folder.Write("mtpolicyd.conf", configuration));
        Assert.True(converted.ExitCode == 0, converted.Error);

        // Both have one memcached: the sessions of one are not the other's.
        return await PolicydProcess.Serve(
            folder.Write(
                "policyd.hocon",
                $"{converted.Output}\npolicyd.connections.memcached.namespace = third-\npolicyd.dns {{ servers = [\"{dns.Address}\"], "
                    + $"timeout = 20s }}\npolicyd.admin.listen = off\n"),
            port,
            "-l",
            "0");
    }

    private static ScriptedDnsServer Zones()
    {
        var dns = new ScriptedDnsServer()
            .Txt("pass.test", "v=spf1 ip4:192.0.2.0/29 ip4:5.9.0.0/24 ~all").Txt("fail.test", "v=spf1 -all").Txt("soft.test", "v=spf1 ~all")
            .A("8.2.0.192.list.dnswl.org", "127.0.10.3")
                .A("9.2.0.192.list.dnswl.org", "127.0.5.1")
                .A("listed.test.dbl.spamhaus.org", "127.0.1.2");
        foreach (var (list, hosts) in (ReadOnlySpan<(string, int[])>)
        [
            ("dnsbl.sorbs.net", [1, 2, 7]), ("ix.dnsbl.manitu.net", [
                2, 6, 7
            ]), ("bl.spamcop.net", [3, 7]), ("drone.abuse.ch", [4, 7]), ("db.wpbl.info", [5, 6]), ("bb.barracudacentral.org", [5, 6, 9]),
        ])
        {
            foreach (var host in hosts)
            {
                dns.A($"{host}.2.0.192.{list}", "127.0.0.2");
            }
        }

        return dns
            .A("2.2.0.192.zen.spamhaus.org", "127.0.0.2")
            .A("4.2.0.192.zen.spamhaus.org", "127.0.0.4")
            .A("10.2.0.192.zen.spamhaus.org", "127.0.0.10")
                .A("9.8.88.77.zen.spamhaus.org", "127.0.0.3").A("2.0.9.5.zen.spamhaus.org", "127.0.0.11");
    }

    [GeneratedRegex("SPF validation failed:.*")]
    private static partial Regex Words();

    [GeneratedRegex(@"\([0-9]+s left\)")]
    private static partial Regex Seconds();

    /// <summary>
    /// Where the two part, for mtpolicyd takes what it found for a mail's first recipient for the ticket of the others: never at a first
    /// request, only where one of the two sees a ticket that the other does not, then in the rest of that mail, whose score is another one,
    /// and for the tickets that it left behind.
    /// </summary>
    private sealed class DifferentTickets
    {
        private readonly Dictionary<string, int> _requests = [];
        private readonly HashSet<string> _mails = [];
        private readonly HashSet<string> _tickets = [];

        public void See(PolicyRequest request)
        {
            _requests[request.Instance] = _requests.GetValueOrDefault(request.Instance) + 1;
            if (_mails.Contains(request.Instance))
            {
                _tickets.Add(TicketOf(request));
            }
        }

        public bool Explain(PolicyRequest request, string theirs, string ours)
        {
            var waits = theirs.StartsWith("defer greylisting", StringComparison.Ordinal)
                || ours.StartsWith("defer greylisting", StringComparison.Ordinal);
            if (_mails.Contains(request.Instance) || (waits && (_requests[request.Instance] > 1 || _tickets.Contains(TicketOf(request)))))
            {
                _mails.Add(request.Instance);
                _tickets.Add(TicketOf(request));
                return true;
            }

            return false;
        }

        private static string TicketOf(PolicyRequest request) => $"{request.Sender} {request.ClientAddress} {request.Recipient}";
    }
}
