using System.Collections.Concurrent;
using System.Net;
using Policyd.Backends.Dns;
using Policyd.Engine.Model;
using Policyd.Plugins.Dns;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>
/// What strangers' names may take of the resolver, and what stays for the operator's lists. Nothing is measured: lookups are counted.
/// </summary>
public sealed class DnsSharesSpecs : IAsyncDisposable
{
    private const string List = "list.test";
    private readonly ScriptedDnsServer _server = new ScriptedDnsServer { Fault = DnsFault.Silence }.A("2.list.test", "127.0.0.2")
        .With(DnsFault.None, "2.list.test");
    private readonly LogCapture _log = new();
    private readonly ManualClock _clock = new();
    private readonly DnsResolver _resolver;
    private readonly CancellationTokenSource _stop = new();

    public DnsSharesSpecs() => _resolver = new DnsResolver(
        new DnsOptions { Servers = [_server.Address], Timeout = TimeSpan.FromMinutes(2), Retries = 0, CacheSize = 16 },
        _clock,
        _log.CreateLogger("dns"));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Names_of_strangers_that_never_answer_leave_the_lists_alone()
    {
        for (var zone = 0; zone < 12; zone++)
        {
            for (var number = 0; number < 100; number++)
            {
                Ask($"n{number}.m.attacker{zone}.test");
            }

            // More at once than a socket's buffer holds would be lost, and later that of the list too.
            await Eventually.Holds("the server to have read all questions", () => _server.Queries == _resolver.Statistics.Lookups);
        }

        Assert.Equal(1024, _resolver.Statistics.Lookups);
        Assert.Equal(1200 - 1024, _resolver.LeftOut.Total);
        Assert.Equal(DnsStatus.ServerFailure, (await _resolver.ResolveAsync("innocent.test", DnsRecordType.Txt, Ct)).Status);
        Assert.Equal(DnsStatus.Found, await OfListAsync("2"));

        // One line, and after a while one more that tells how many there were.
        Assert.Contains(
            "a lookup for strangers under attacker10.test was skipped because too many lookups are in progress",
            Assert.Single(_log.Containing("was skipped")),
            StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromSeconds(11));
        Ask("one.more.test");
        Assert.Contains("(176 more since", _log.Containing("was skipped").Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_zone_has_its_part_whatever_its_names_are()
    {
        _server.Txt("sender.example", "v=spf1 -all").With(DnsFault.None, "sender.example");
        for (var number = 0; number < 1500; number++)
        {
            Ask($"n{number}.l{number}.m.attacker.test");
        }

        Assert.Equal(128, _resolver.Statistics.Lookups);
        Assert.Equal(DnsStatus.Found, (await _resolver.ResolveAsync("sender.example", DnsRecordType.Txt, Ct)).Status);
        Assert.Equal(DnsStatus.Found, await OfListAsync("2"));
        Assert.Contains("under attacker.test", Assert.Single(_log.Containing("was skipped")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silent_list_leaves_the_others_alone_and_its_questions_that_are_left_out_are_counted()
    {
        for (var number = 0; number < 300; number++)
        {
            _ = _resolver.ResolveAsync($"{number}.silent.test", DnsRecordType.A, "silent.test", _stop.Token).AsTask();
        }

        Assert.Equal(256, _resolver.Statistics.Lookups);
        Assert.Equal(44, _resolver.LeftOut.Total);
        Assert.Contains("for lists under silent.test", Assert.Single(_log.Containing("was skipped")), StringComparison.Ordinal);
        Assert.Equal(DnsStatus.Found, await OfListAsync("2"));
    }

    [Fact]
    public async Task Request_has_its_own_bound()
    {
        var request = new DnsBudget();
        for (var number = 0; number < 40; number++)
        {
            _ = _resolver.ResolveAsync($"m.domain{number}.test", DnsRecordType.A, request, _stop.Token).AsTask();
        }

        Assert.Equal((DnsBudget.MostUnderWay, 8), (request.Sent, _resolver.LeftOut.Total));

        // Another request has its own, and joining what is under way costs nothing.
        var other = new DnsBudget();
        _ = _resolver.ResolveAsync("m.domain1.test", DnsRecordType.A, other, _stop.Token).AsTask();
        _ = _resolver.ResolveAsync("m.domain99.test", DnsRecordType.A, other, _stop.Token).AsTask();
        Assert.Equal((1, 8), (other.Sent, _resolver.LeftOut.Total));

        var third = new DnsBudget();
        for (var number = 0; number < DnsBudget.Most + 5; number++)
        {
            var name = $"answers{number}.test";
            _server.A(name, "192.0.2.1").With(DnsFault.None, name);
            var status = (await _resolver.ResolveAsync(name, DnsRecordType.A, third, Ct)).Status;
            Assert.Equal(number < DnsBudget.Most ? DnsStatus.Found : DnsStatus.ServerFailure, status);
        }
    }

    [Fact]
    public async Task Client_with_many_domains_has_its_part_and_others_theirs()
    {
        for (var number = 0; number < 400; number++)
        {
            // Requests of one network, each with a few domains of its own.
            _ = _resolver.ResolveAsync(
                $"m.domain{number}.test",
                DnsRecordType.A,
                new DnsBudget(IPAddress.Parse($"203.0.113.{number % 250}")),
                _stop.Token).AsTask();
        }

        Assert.Equal((256, 144), (_resolver.Statistics.Lookups, _resolver.LeftOut.Total));
        Assert.Contains(
            "too many lookups of its client are in progress", Assert.Single(_log.Containing("was skipped")), StringComparison.Ordinal);
        _server.Txt("sender.example", "v=spf1 -all").With(DnsFault.None, "sender.example");
        Assert.Equal(
            DnsStatus.Found,
            (await _resolver.ResolveAsync("sender.example", DnsRecordType.Txt, new DnsBudget(IPAddress.Parse("203.0.114.1")), Ct)).Status);
        Assert.Equal(144, _resolver.LeftOut.CountOf("strangers", DnsBound.Client));
    }

    [Fact]
    public async Task Answers_about_strangers_do_not_push_out_those_of_lists()
    {
        Assert.Equal(DnsStatus.Found, await OfListAsync("2"));
        for (var number = 0; number < 40; number++)
        {
            var name = $"answers{number}.test";
            _server.A(name, "192.0.2.1").With(DnsFault.None, name);
            Assert.Equal(DnsStatus.Found, (await _resolver.ResolveAsync(name, DnsRecordType.A, Ct)).Status);
        }

        // A stranger's record may name what stands under a list; he learns nothing of ours and leaves nothing there.
        Assert.Equal(DnsStatus.Found, (await _resolver.ResolveAsync("2.list.test", DnsRecordType.A, Ct)).Status);
        Assert.Equal(DnsStatus.Found, await OfListAsync("2"));
        Assert.Equal(2, _server.CountOf("2.list.test"));
    }

    [Theory]
    [InlineData("SPF")]
    [InlineData("SMTPVerify")]
    public async Task Module_that_asks_for_names_of_strangers_asks_within_the_requests_budget(string module)
    {
        var dns = new RecordingResolver();
        await using var policy = PolicyUnderTest.Of(
            $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [ {{ name = asks, module = {module} "
                + $"{(module == "SMTPVerify" ? ", check_openpgp = on" : "")} }} ] }} ] }}", new ModelEnvironment { Dns = dns });
        await policy.AskAsync(("sender", "a@mx.test"), ("recipient", "b@mx.test"), ("helo_name", "mx.test"));

        Assert.Contains(dns.Asked, asked => asked.Type == DnsRecordType.A);
        Assert.All(dns.Asked, asked => Assert.Equal("C00002", asked.Budget?.Client));
        Assert.Single(dns.Asked.Select(asked => asked.Budget).Distinct());
    }

    [Theory]
    [InlineData("a.m.attacker.test", "attacker.test")]
    [InlineData("attacker.test", "attacker.test")]
    [InlineData("test", "test")]
    [InlineData("a.b.example.co.uk", "example.co.uk")]
    [InlineData("co.uk", "co.uk")]
    [InlineData("x.t.co", "x.t.co")]
    [InlineData("7.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa")]
    [InlineData("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")]
    public void Zone_of_a_name_is_what_one_owner_has(string name, string zone) => Assert.Equal(zone, DnsName.ZoneOf(name));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _resolver.DisposeAsync();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    private void Ask(string name) => _ = _resolver.ResolveAsync(name, DnsRecordType.A, _stop.Token).AsTask();

    private async Task<DnsStatus> OfListAsync(string name) =>
        (await _resolver.ResolveAsync($"{name}.{List}", DnsRecordType.A, List, Ct)).Status;

    // One domain with a policy and a mail exchanger that has no address.
    private sealed class RecordingResolver : IDnsResolver
    {
        public ConcurrentQueue<(DnsRecordType Type, DnsBudget? Budget)> Asked { get; } = [];

        public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct) => AnswerAsync(type, null);

        public ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, DnsBudget budget, CancellationToken ct) =>
            AnswerAsync(type, budget);

        private ValueTask<DnsAnswer> AnswerAsync(DnsRecordType type, DnsBudget? budget)
        {
            Asked.Enqueue((type, budget));
            return new(type switch
            {
                DnsRecordType.Txt => new DnsAnswer(DnsStatus.Found, [new TextRecord("v=spf1 mx ptr exists:%{p}.mx.test -all")]),
                DnsRecordType.Mx => new DnsAnswer(DnsStatus.Found, [new MailExchangerRecord(1, "out.mx.test")]),
                DnsRecordType.ReverseName => new DnsAnswer(DnsStatus.Found, [new NameRecord("out.mx.test")]),
                _ => new DnsAnswer(DnsStatus.NoSuchName, []),
            });
        }
    }
}
