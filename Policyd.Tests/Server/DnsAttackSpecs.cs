using System.Diagnostics;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// Strangers whose DNS records are made to cost all they can, at a running server, while other mails come: listed clients are caught, and
/// innocent ones have their whole answer. How long the slowest waited is printed; what came decides.
/// </summary>
[ServerTest]
public sealed class DnsAttackSpecs(ITestOutputHelper output) : IAsyncDisposable
{
    private const int Mails = 40;
    private const int Clients = 8;
    private const int MostAttacks = 20_000;
    private const string Innocent = "PREPEND X-MtScore: NO score=1 [spf=1]";
    private const string Caught = "reject delivery from ";

    private readonly TemporaryFolder _folder = new();
    private readonly ScriptedDnsServer _dns = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly int _port = FreePort.Next();
    private readonly List<string> _attackersAnswers = [];
    private int _attacks;
    private int _answered;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Records_that_cost_all_they_can_leave_lists_and_innocent_mails_alone()
    {
        // Seven thousand macros in each of five records; and, of every second connection, as many as are allowed beside networks that never
        // match.
        AddPolicy("long.test", string.Concat(Enumerable.Repeat("%{p1r-}", 7000)), "");
        AddPolicy("most.test", string.Concat(Enumerable.Repeat("%{p1r-}", 63)), string.Concat(Enumerable.Repeat(" ip4:10.0.0.1", 450)));
        for (var client = 0; client < 100; client++)
        {
            // Ten names, each with the client's address, so that the macro's value is one of them; of which nothing is kept.
            for (var name = 0; name < 10; name++)
            {
                _dns.Ptr($"{client}.113.0.203.in-addr.arpa", $"-{name}.attacker.test").A($"-{name}.attacker.test", $"203.0.113.{client}");
            }
        }

        await using var server = await PolicydProcess.Serve(Configure(), _port);
        await AttackAsync(
            "SPF records of seven thousand macros and of all that is allowed",
            100,
            (connection, _) => (connection % 2 == 0 ? "a@long.test" : "a@most.test", $"203.0.113.{connection}"),
            () => Volatile.Read(ref _attacks) > 200);
        Assert.Equal(
            [
                "reject SPF validation failed: the client may not use 'a@most.test' (mfrom): most.test: -all matches",
                "reject spf mfrom check failed: the policy of i0.long.test is invalid: it is longer than 8192 bytes"
            ],
            _attackersAnswers.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Names_that_never_answer_leave_lists_and_innocent_mails_alone()
    {
        _dns.Txt("attacker.test", "v=spf1 mx:%{l}.m.attacker.test -all");
        _dns.OnQuery = name =>
        {
            if (name.EndsWith(".m.attacker.test", StringComparison.Ordinal))
            {
                _dns.Remove(name);
                for (var number = 0; number < 10; number++)
                {
                    _dns.Mx(name, number, $"{number}.{name[..name.IndexOf('.', StringComparison.Ordinal)]}.s.attacker.test");
                }
            }
        };
        _dns.FaultOf = static name => name.EndsWith(".s.attacker.test", StringComparison.Ordinal) ? DnsFault.Silence : null;

        await using var server = await PolicydProcess.Serve(Configure(), _port);
        await AttackAsync(
            "mail exchangers that never answer",
            150,
            static (connection, number) => ($"c{connection}n{number}@attacker.test", "203.0.113.1"),
            () => Volatile.Read(ref _answered) + Silent().Select(static name => name.Split('.')[1]).Distinct().Count() >= 150
                && Silent().Count() >= 100);
        Assert.DoesNotContain(_attackersAnswers, answer => !answer.StartsWith("defer spf mfrom check failed: ", StringComparison.Ordinal));

        // The operator is told, and not once a mail.
        await server.Prints("a lookup for strangers under attacker.test was skipped");
        Assert.InRange(server.Lines.Count(static line => line.Contains("was skipped", StringComparison.Ordinal)), 1, 20);
        Assert.DoesNotContain(server.Lines, static line => line.Contains("a lookup for lists", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _dns.DisposeAsync();
        _stop.Dispose();
        _folder.Dispose();
    }

    // The first mail of each connection has all of its names asked for, or was left out: as many are under way as there ever are.
    private IEnumerable<string> Silent() => _dns.Names.Where(static name => name.EndsWith(".s.attacker.test", StringComparison.Ordinal));

    private void AddPolicy(string domain, string macros, string filler)
    {
        _dns.Txt(domain, $"v=spf1 {string.Concat(Enumerable.Range(0, 5).Select(number => $"include:i{number}.{domain} "))}-all");
        for (var number = 0; number < 5; number++)
        {
            _dns.Txt(
                $"i{number}.{domain}",
                [.. $"v=spf1 exists:{macros}.i{number}.{domain}{filler} ?all".Chunk(255).Select(static part => new string(part))]);
        }
    }

    /// <summary>Attacks on many connections, and sends mails of listed and of innocent clients meanwhile.</summary>
    private async Task AttackAsync(
        string what, int connections, Func<int, int, (string Sender, string Client)> attack, Func<bool> isUnderWay)
    {
        for (var number = 0; number < Mails; number++)
        {
            // Each mail has names of its own: nothing of it is in the cache.
            foreach (var kind in (string[])["listed", "innocent"])
            {
                _dns.Txt($"{kind}{number}.example", $"v=spf1 a:out.{kind}{number}.example -all")
                    .A($"out.{kind}{number}.example", ClientOf(kind, number));
            }

            _dns.A($"{number}.2.0.192.list.test", "127.0.0.2").Txt($"{number}.2.0.192.list.test", "spam");
        }

        var attackers = Enumerable.Range(0, connections).Select(connection => Task.Run(() => AttackAsync(connection, attack))).ToList();
        await Eventually.Holds(
            "the attack to be under way",
            () => attackers.Find(static attacker => attacker.IsFaulted) is { Exception: { } failure } ? throw failure : isUnderWay());
        var answers = (await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => SendAsync(client))))).SelectMany(
            static some => some).ToList();
        await _stop.CancelAsync();
        await Eventually.Ends(
            "the attackers' last answers",
            Task.WhenAll(attackers).ContinueWith(static all => all.IsCompletedSuccessfully, TaskScheduler.Default),
            TimeSpan.FromMinutes(3));

        var caught = answers.Count(static one => one.Kind == "listed" && one.Answer.StartsWith(Caught, StringComparison.Ordinal));
        var answered = answers.Count(static one => one.Kind == "innocent" && one.Answer == Innocent);
        Summary.Line(
            output,
            $"{what} on {connections} connections ({_attacks} mails): {caught} of {Mails} listed clients caught, {answered} of {Mails} "
            + $"innocent mails with their whole answer, "
            + $"the slowest innocent one after "
            + $"{answers.Where(static one => one.Kind == "innocent").Max(static one => one.Elapsed).TotalMilliseconds:F0} ms");
        Assert.Equal((Mails, Mails), (caught, answered));
        await Task.WhenAll(attackers);
    }

    private async Task AttackAsync(int connection, Func<int, int, (string Sender, string Client)> attack)
    {
        await using var client = await ConnectAsync();
        for (var number = 0; !_stop.IsCancellationRequested && Interlocked.Increment(ref _attacks) < MostAttacks; number++)
        {
            var (sender, address) = attack(connection, number);
            var answer = await client.AskAsync(Request(sender, address), Cancel);
            Interlocked.Increment(ref _answered);
            lock (_attackersAnswers)
            {
                _attackersAnswers.Add(answer);
            }
        }
    }

    private async Task<List<(string Kind, string Answer, TimeSpan Elapsed)>> SendAsync(int first)
    {
        await using var client = await ConnectAsync();
        var answers = new List<(string Kind, string Answer, TimeSpan Elapsed)>();
        for (var number = first; number < Mails; number += Clients)
        {
            foreach (var kind in (string[])["listed", "innocent"])
            {
                var began = Stopwatch.GetTimestamp();
                answers.Add((
                    kind,
                    await client.AskAsync(Request($"a@{kind}{number}.example", ClientOf(kind, number)), Cancel),
                    Stopwatch.GetElapsedTime(began)));
            }
        }

        return answers;
    }

    private ValueTask<PolicyClient> ConnectAsync() => PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);

    private static string ClientOf(string kind, int number) => $"{(kind == "listed" ? "192.0.2" : "198.51.100")}.{number}";

    private static byte[] Request(string sender, string address) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", "RCPT")
            .Add("instance", Guid.NewGuid().ToString("N"))
            .Add("client_address", address)
            .Add("helo_name", "localhost")
            .Add("sender", sender)
            .ToBytes();

    private string Configure() => _folder.Write("policyd.hocon", $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"]
          admin { listen = off }
          dns { servers = ["{{_dns.Address}}"] }
          virtual_hosts = [ { name = all, port = {{_port}}, plugins = [
            { name = spf, module = SPF, pass_score = 1 }
            { name = list, module = RBL, domain = list.test }
            { name = header, module = AddScoreHeader }
          ] } ]
        }
        """);
}
