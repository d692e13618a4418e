using System.Net;
using Policyd.Backends.Dns;
using Policyd.Plugins.Dns;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>
/// The resolver against a server that does everything wrong that a server can. No test measures time: queries are counted.
/// </summary>
public sealed class DnsResolverSpecs
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_kind_of_record_is_read()
    {
        await using var server = new ScriptedDnsServer()
            .A("a.test", "192.0.2.1")
                .A("a.test", "192.0.2.2")
                .Aaaa("a.test", "2001:db8::1")
                .Txt("a.test", "v=spf1 ", "-all")
                .Mx("a.test", 10, "mx.a.test")
                .Mx("null.test", 0, "").Ptr("1.2.0.192.in-addr.arpa", "a.test").Add("_25._tcp.a.test", 52, 60, [3, 1, 1, 0xab]);
        await using var resolver = Resolver(server);

        Assert.Equal(["192.0.2.1", "192.0.2.2"], await Addresses(resolver, "A.Test."));
        Assert.Equal(["2001:db8::1"], await Addresses(resolver, "a.test", DnsRecordType.Aaaa));
        Assert.Equal(new TextRecord("v=spf1 -all"), Assert.Single((await resolver.ResolveAsync("a.test", DnsRecordType.Txt, Ct)).Records));
        Assert.Equal(
            new MailExchangerRecord(10, "mx.a.test"), Assert.Single((await resolver.ResolveAsync("a.test", DnsRecordType.Mx, Ct)).Records));
        Assert.Equal(
            new MailExchangerRecord(0, ""), Assert.Single((await resolver.ResolveAsync("null.test", DnsRecordType.Mx, Ct)).Records));
        Assert.Equal(
            new NameRecord("a.test"),
            Assert.Single((await resolver.ResolveAsync("1.2.0.192.in-addr.arpa", DnsRecordType.ReverseName, Ct)).Records));
        var tlsa = Assert.IsType<DataRecord>(
            Assert.Single((await resolver.ResolveAsync("_25._tcp.a.test", DnsRecordType.Tlsa, Ct)).Records));
        Assert.Equal([3, 1, 1, 0xab], tlsa.Data.ToArray());
    }

    [Fact]
    public async Task Word_of_the_server_that_it_has_validated_is_kept_with_the_records()
    {
        await using var server = new ScriptedDnsServer().Signed("_25._tcp.a.test")
            .Add("_25._tcp.a.test", 52, 60, [3, 1, 1, 0xab])
            .Add("_25._tcp.b.test", 52, 60, [3, 1, 1, 0xab]);
        await using var resolver = Resolver(server);
        for (var times = 0; times < 2; times++)
        {
            Assert.True((await resolver.ResolveAsync("_25._tcp.a.test", DnsRecordType.Tlsa, Ct)).IsAuthenticated);
            Assert.False((await resolver.ResolveAsync("_25._tcp.b.test", DnsRecordType.Tlsa, Ct)).IsAuthenticated);
        }

        Assert.Equal(2, server.Queries);
    }

    [Fact]
    public async Task Large_answers_push_out_others_before_there_are_too_many()
    {
        await using var server = new ScriptedDnsServer();
        var text = Enumerable.Repeat(new string('x', 200), 20).ToArray();
        for (var number = 0; number < 8; number++)
        {
            server.Txt($"big{number}.test", text).Txt($"small{number}.test", "x");
        }

        // Room for 16 answers of a kilobyte, in which three of 8 KB (characters of two bytes) have no place beside each other.
        await using var resolver = Resolver(server, null, options => options.CacheSize = 16);
        foreach (var kind in new[] { "small", "big" })
        {
            for (var number = 0; number < 8; number++)
            {
                await resolver.ResolveAsync($"{kind}{number}.test", DnsRecordType.Txt, Ct);
                await resolver.ResolveAsync($"{kind}{number}.test", DnsRecordType.Txt, Ct);
            }

            await resolver.ResolveAsync($"{kind}0.test", DnsRecordType.Txt, Ct);
        }

        // Each once, and the first of the large ones again.
        Assert.Equal(16 + 1, resolver.Statistics.Lookups);
    }

    [Fact]
    public async Task Absent_name_and_absent_record_differ_and_both_are_kept()
    {
        await using var server = new ScriptedDnsServer().A("there.test", "192.0.2.1");
        await using var resolver = Resolver(server);
        for (var times = 0; times < 2; times++)
        {
            Assert.Equal(DnsStatus.NoData, (await resolver.ResolveAsync("there.test", DnsRecordType.Mx, Ct)).Status);
            Assert.Equal(DnsStatus.NoSuchName, (await resolver.ResolveAsync("absent.test", DnsRecordType.A, Ct)).Status);
        }

        Assert.Equal(2, server.Queries);
    }

    [Fact]
    public async Task Records_of_a_name_that_does_not_exist_are_none()
    {
        await using var server = new ScriptedDnsServer { Fault = DnsFault.AbsentWithRecords }.A("2.0.0.127.list.test", "127.0.0.2");
        await using var resolver = Resolver(server);
        var answer = await resolver.ResolveAsync("2.0.0.127.list.test", DnsRecordType.A, Ct);
        Assert.Equal((DnsStatus.NoSuchName, 0), (answer.Status, answer.Records.Count));
    }

    [Fact]
    public async Task Aliases_are_followed_and_a_loop_of_them_ends()
    {
        await using var server = new ScriptedDnsServer()
            .Cname("one.test", "two.test")
                .Cname("two.test", "three.test")
                .A("three.test", "192.0.2.3")
                .Cname("loop.test", "pool.test")
                .Cname("pool.test", "loop.test");
        await using var resolver = Resolver(server);

        Assert.Equal(["192.0.2.3"], await Addresses(resolver, "one.test"));
        Assert.Equal(DnsStatus.ServerFailure, (await resolver.ResolveAsync("loop.test", DnsRecordType.A, Ct)).Status);
    }

    [Theory]
    [InlineData(DnsFault.Truncate)]
    [InlineData(DnsFault.WrongIdFirst)]
    [InlineData(DnsFault.WrongQuestionFirst)]
    [InlineData(DnsFault.NoEdns)]
    internal async Task Right_answer_comes_through(DnsFault fault)
    {
        await using var server = new ScriptedDnsServer { Fault = fault }.A("a.test", "192.0.2.1");
        await using var resolver = Resolver(server);

        Assert.Equal(["192.0.2.1"], await Addresses(resolver, "a.test"));
        Assert.Equal(fault == DnsFault.Truncate, server.TcpQueries > 0);
    }

    [Fact]
    public async Task Answer_larger_than_a_datagram_comes_over_tcp()
    {
        var text = Enumerable.Range(0, 20).Select(number => new string((char)('a' + number), 200)).ToArray();
        await using var server = new ScriptedDnsServer().Txt("big.test", text);
        await using var resolver = Resolver(server);

        Assert.Equal(
            new TextRecord(string.Concat(text)), Assert.Single((await resolver.ResolveAsync("big.test", DnsRecordType.Txt, Ct)).Records));
        Assert.Equal(1, server.TcpQueries);
    }

    [Theory]
    [InlineData(DnsFault.ServFail, DnsStatus.ServerFailure)]
    [InlineData(DnsFault.Refused, DnsStatus.ServerFailure)]
    [InlineData(DnsFault.Malformed, DnsStatus.ServerFailure)]
    [InlineData(DnsFault.PointerLoop, DnsStatus.ServerFailure)]
    [InlineData(DnsFault.Silence, DnsStatus.TimedOut)]
    [InlineData(DnsFault.WrongId, DnsStatus.TimedOut)]
    [InlineData(DnsFault.Garbage, DnsStatus.TimedOut)]
    internal async Task Failure_is_an_answer_asked_for_again_only_after_a_while(DnsFault fault, DnsStatus expected)
    {
        var clock = new ManualClock();
        await using var server = new ScriptedDnsServer { Fault = fault }.A("a.test", "192.0.2.1");
        await using var resolver = Resolver(server, clock, options => options.Timeout = TimeSpan.FromMilliseconds(300));

        for (var times = 0; times < 3; times++)
        {
            Assert.Equal(expected, (await resolver.ResolveAsync("a.test", DnsRecordType.A, Ct)).Status);
        }

        Assert.Equal(1, resolver.Statistics.Lookups);
        if (expected == DnsStatus.ServerFailure)
        {
            // Each try was answered, so none had to wait for the next: one query and one retry.
            Assert.Equal(2, server.Queries);
        }

        server.Fault = DnsFault.None;
        await Eventually.Holds("the answer once the failure is forgotten", async () =>
        {
            clock.Advance(TimeSpan.FromSeconds(6));
            return (await resolver.ResolveAsync("a.test", DnsRecordType.A, Ct)).Status == DnsStatus.Found;
        });
    }

    [Fact]
    public async Task Answers_are_kept_for_their_time_and_no_longer()
    {
        var clock = new ManualClock();
        await using var server = new ScriptedDnsServer { Negative = (60, 20) }.A("a.test", "192.0.2.1", ttl: 30);
        await using var resolver = Resolver(server, clock);

        async Task Expect(int ofFound, int ofAbsent)
        {
            Assert.Equal(["192.0.2.1"], await Addresses(resolver, "a.test"));
            Assert.Equal(DnsStatus.NoSuchName, (await resolver.ResolveAsync("absent.test", DnsRecordType.A, Ct)).Status);
            Assert.Equal((ofFound, ofAbsent), (server.CountOf("a.test"), server.CountOf("absent.test")));
        }

        await Expect(1, 1);
        clock.Advance(TimeSpan.FromSeconds(19.9));
        await Expect(1, 1);
        clock.Advance(TimeSpan.FromSeconds(0.2));
        await Expect(1, 2);
        clock.Advance(TimeSpan.FromSeconds(10));
        await Expect(2, 2);
    }

    [Fact]
    public async Task Oldest_answer_goes_when_the_cache_is_full()
    {
        await using var server = new ScriptedDnsServer();
        await using var resolver = Resolver(server, change: options => options.CacheSize = 16);
        for (var number = 0; number < 17; number++)
        {
            server.A($"n{number}.test", "192.0.2.1");
            await resolver.ResolveAsync($"n{number}.test", DnsRecordType.A, Ct);
            await resolver.ResolveAsync("n0.test", DnsRecordType.A, Ct);
        }

        await resolver.ResolveAsync("n16.test", DnsRecordType.A, Ct);
        await resolver.ResolveAsync("n1.test", DnsRecordType.A, Ct);
        Assert.Equal((1, 2, 1), (server.CountOf("n0.test"), server.CountOf("n1.test"), server.CountOf("n16.test")));
    }

    [Fact]
    public async Task Same_question_is_sent_once_and_each_caller_may_stop_waiting()
    {
        await using var server = new ScriptedDnsServer().A("a.test", "192.0.2.1");
        server.Hold();
        await using var resolver = Resolver(server, change: options => (options.Timeout, options.Retries) = (TimeSpan.FromSeconds(30), 0));
        using var impatient = new CancellationTokenSource();
        var stopped = resolver.ResolveAsync("a.test", DnsRecordType.A, impatient.Token).AsTask();
        var others = Enumerable.Range(0, 20).Select(_ => resolver.ResolveAsync("A.test", DnsRecordType.A, Ct).AsTask()).ToArray();

        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped);
        server.Release();
        Assert.All(await Task.WhenAll(others), answer => Assert.Equal(DnsStatus.Found, answer.Status));
        Assert.Equal(1, server.Queries);
    }

    [SoakTest("waits for the share of 20 s that a silent server may take")]
    [Theory]
    [InlineData(DnsFault.Silence)]
    [InlineData(DnsFault.ServFail)]
    internal async Task Dead_server_is_passed_over(DnsFault fault)
    {
        await using var dead = new ScriptedDnsServer { Fault = fault };
        await using var server = new ScriptedDnsServer().A("a.test", "192.0.2.1").A("b.test", "192.0.2.2");
        await using var resolver = Resolver(
            server, change: options => (options.Servers, options.Timeout) = ([dead.Address, server.Address], TimeSpan.FromSeconds(20)));

        Assert.Equal(["192.0.2.1"], await Addresses(resolver, "a.test"));
        Assert.Equal(["192.0.2.2"], await Addresses(resolver, "b.test"));
        if (fault == DnsFault.Silence)
        {
            // The second lookup knows who is silent.
            Assert.Equal(0, dead.CountOf("b.test"));
        }
    }

    [Fact]
    public async Task Silent_zone_is_asked_once_a_back_off_and_others_as_ever()
    {
        var clock = new ManualClock();
        var log = new LogCapture();
        await using var server = new ScriptedDnsServer { Fault = DnsFault.Silence }.A("back.dead.test", "127.0.0.2")
            .With(DnsFault.None, "back.dead.test");
        await using var resolver = Resolver(
            server, clock, options => (options.Timeout, options.Retries) = (TimeSpan.FromMilliseconds(100), 0), log);
        async Task<DnsStatus> Ask(string name) =>
            (await resolver.ResolveAsync(name + ".dead.test", DnsRecordType.A, "dead.test", Ct)).Status;

        for (var number = 0; number < 9; number++)
        {
            Assert.Equal(DnsStatus.TimedOut, await Ask($"n{number}"));
        }

        Assert.Equal((5, 4), (resolver.Statistics.Lookups, resolver.Statistics.Suppressed));
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(DnsStatus.TimedOut, await Ask("probe"));
        Assert.Equal(DnsStatus.TimedOut, await Ask("other"));
        Assert.Equal((6, 5), (resolver.Statistics.Lookups, resolver.Statistics.Suppressed));
        Assert.Equal(0, server.CountOf("other.dead.test"));
        Assert.Equal(DnsStatus.TimedOut, (await resolver.ResolveAsync("x.other.test", DnsRecordType.A, "other.test", Ct)).Status);
        Assert.Equal(7, resolver.Statistics.Lookups);
        Assert.Single(log.Containing("dead.test has not answered"));

        await Eventually.Holds("the zone to be back", async () =>
        {
            clock.Advance(TimeSpan.FromSeconds(61));
            return await Ask("back") == DnsStatus.Found;
        });
        Assert.Single(log.Containing("dead.test answers again"));
    }

    [SoakTest("waits for two timeouts of 1 s, one after the other")]
    [Fact]
    public async Task Silent_zone_is_asked_by_one_lookup_also_when_that_lasts_longer_than_the_pause()
    {
        var clock = new ManualClock();
        await using var server = new ScriptedDnsServer { Fault = DnsFault.Silence };
        await using var resolver = Resolver(server, clock, options => (options.Timeout, options.Retries) = (TimeSpan.FromSeconds(1), 0));
        async Task<DnsStatus> Ask(string name) =>
            (await resolver.ResolveAsync(name + ".dead.test", DnsRecordType.A, "dead.test", Ct)).Status;

        await Task.WhenAll(Enumerable.Range(0, 5).Select(number => Ask($"n{number}")));
        clock.Advance(TimeSpan.FromSeconds(5));
        var probe = Ask("probe");
        clock.Advance(TimeSpan.FromSeconds(30));
        for (var number = 0; number < 12; number++)
        {
            Assert.Equal(DnsStatus.TimedOut, await Ask($"other{number}"));
        }

        Assert.Equal((6, 12), (resolver.Statistics.Lookups, resolver.Statistics.Suppressed));
        Assert.Equal(DnsStatus.TimedOut, await probe);
    }

    [Fact]
    public async Task What_is_no_name_is_never_asked()
    {
        await using var server = new ScriptedDnsServer();
        await using var resolver = Resolver(server);
        foreach (var name in (string[])[
            "", ".", "a..b", ".a", new string('a', 64) + ".test", string.Join('.', Enumerable.Repeat("abcdefg", 32)), "sp ace.test",
            "ü.test", "nul\0.test", "a\\25.test", "a\\256.test", "a\\1\0\0.test", "a.test\\", "a\\\n.test",
            string.Concat(Enumerable.Repeat("\\001", 64)) + ".test"
        ])
        {
            var asked = resolver.ResolveAsync(name, DnsRecordType.A, Ct);
            Assert.True(asked.IsCompletedSuccessfully);
            Assert.Equal(DnsStatus.NoSuchName, (await asked).Status);
        }

        Assert.Equal(0, server.Queries);
        Assert.True(DnsName.TryNormalize(string.Join('.', Enumerable.Repeat("abcdefg", 31)) + ".abcde", out _));
    }

    [Fact]
    public async Task Label_may_hold_any_byte()
    {
        var all = string.Concat(Enumerable.Range(0, 256).Where(b => b != '.').Select(b => (char)b));
        await using var server = new ScriptedDnsServer();
        await using var resolver = Resolver(server);
        for (var from = 0; from < all.Length; from += 60)
        {
            var label = all[from..Math.Min(all.Length, from + 60)];
            server.A(label + ".test", "192.0.2.1");
            Assert.True(DnsName.TryOfBytes(label + ".Test.", out var name));
            Assert.EndsWith(".test", name, StringComparison.Ordinal);
            Assert.Equal(["192.0.2.1"], await Addresses(resolver, name));
            Assert.Equal(label.ToLowerInvariant(), server.Names[^1][..^5], ignoreCase: true);

            // What it is written as is read back as the same, and so is a mail exchanger's name that is asked for in its turn.
            Assert.True(DnsName.TryNormalize(name, out var again));
            Assert.Equal(name, again);
            Assert.Equal(label + ".test", DnsName.ToBytes(name), ignoreCase: true);
            server.Mx($"m{from}.test", 1, label + ".test");
            var exchanger = Assert.IsType<MailExchangerRecord>(
                Assert.Single((await resolver.ResolveAsync($"m{from}.test", DnsRecordType.Mx, Ct)).Records));
            Assert.Equal(["192.0.2.1"], await Addresses(resolver, exchanger.Host));
        }

        Assert.True(DnsName.TryNormalize("a\\.b.TEST", out var dot));
        Assert.Equal("a\\.b.test", dot);
        foreach (var text in (string[])[
            "", ".", "a..b", ".a", "a..", new string('a', 64) + ".test", "ā.test", string.Join('.', Enumerable.Repeat("\0bcdefg", 32))
        ])
        {
            Assert.False(DnsName.TryOfBytes(text, out _), text);
        }
    }

    [Fact]
    public void Message_of_pointers_or_of_thousands_of_records_is_refused()
    {
        var key = new DnsKey("a.test", DnsRecordType.A);
        var question = DnsWire.Question(7, key, edns: false);
        (question[2], question[3], question[7]) = (0x80, 0, 1);

        // A record whose data are pointers, each to the one before it, then one whose owner is the last of them.
        byte[] pointers = [.. Enumerable.Range(0, 100)
            .SelectMany(number => (byte[])[0xc0, (byte)(number == 0 ? 12 : question.Length + 11 + (2 * (number - 1)))])];
        byte[] message = [
            .. question, 0, 0, 16, 0, 1, 0, 0, 0, 9, 0, (byte)pointers.Length, .. pointers, 0xc0, (byte)(question.Length + 11 + 2 * 99), 0,
            1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 2
        ];
        message[7] = 2;
        Assert.Throws<DnsFormatException>(() => DnsWire.Read(message, key));

        byte[] record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 2];
        byte[] many = [.. question, .. Enumerable.Repeat(record, 4000).SelectMany(one => one)];
        (many[6], many[7]) = (1000 >> 8, 1000 & 0xff);
        Assert.Equal(1000, DnsWire.Read(many, key).Answer.Records.Count);
        (many[6], many[7]) = (4000 >> 8, 4000 & 0xff);
        Assert.Throws<DnsFormatException>(() => DnsWire.Read(many, key));
    }

    [Fact]
    public async Task Kept_answer_is_given_without_garbage()
    {
        await using var server = new ScriptedDnsServer().A("a.test", "192.0.2.1");
        await using var resolver = Resolver(server);
        await resolver.ResolveAsync("a.test", DnsRecordType.A, Ct);
        var before = 0L;
        for (var number = 0; number < 2000; number++)
        {
            if (number == 1000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            var asked = resolver.ResolveAsync("a.test", DnsRecordType.A, CancellationToken.None);
            Assert.True(asked.IsCompletedSuccessfully);
            Assert.NotNull(await asked);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Random_bytes_are_refused_or_read_and_nothing_else()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var key = new DnsKey("a.test", DnsRecordType.Mx);
        for (var number = 0; number < 20_000; number++)
        {
            var message = DnsWire.Question(7, key, edns: false).Concat(new byte[random.Next(60)]).ToArray();
            random.NextBytes(message.AsSpan(DnsWire.Question(7, key, edns: false).Length));
            (message[2], message[3], message[7], message[9]) = (
                0x80, (byte)(random.Next(2) * 3), (byte)random.Next(4), (byte)random.Next(3));
            for (var bits = random.Next(3); bits > 0; bits--)
            {
                message[random.Next(message.Length)] ^= (byte)(1 << random.Next(8));
            }

            try
            {
                var cut = message.AsSpan(0, random.Next(4) == 0 ? random.Next(message.Length) : message.Length);
                if (DnsWire.Answers(cut, 7, key))
                {
                    Assert.NotNull(DnsWire.Read(cut, key));
                }
            }
            catch (Exception e) when (e is not DnsFormatException)
            {
                Assert.Fail($"seed {seed}, message {Convert.ToHexString(message)}: {e}");
            }
            catch (DnsFormatException)
            {
            }
        }
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1:53")]
    [InlineData("192.0.2.1:5353", "192.0.2.1:5353")]
    [InlineData("2001:db8::1", "[2001:db8::1]:53")]
    [InlineData("[2001:db8::1]:5353", "[2001:db8::1]:5353")]
    [InlineData("[2001:db8::1]", "[2001:db8::1]:53")]
    [InlineData("53", null)]
    [InlineData("010.0.0.53", null)]
    [InlineData("010.0.0.53:53", null)]
    [InlineData("0x7f.0.0.1", null)]
    [InlineData("localhost", null)]
    [InlineData("192.0.2.1:0", null)]
    [InlineData("192.0.2.1:65536", null)]
    [InlineData("[192.0.2.1]:53", null)]
    [InlineData("", null)]
    public void Address_of_a_server_is_read(string text, string? expected)
    {
        Assert.Equal(expected is not null, DnsOptions.TryParse(text, out var endpoint));
        Assert.Equal(expected is null ? null : IPEndPoint.Parse(expected), endpoint);
    }

    [Fact]
    public void Servers_of_resolv_conf_are_the_default()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write(
            "resolv.conf", "# nameserver 192.0.2.9\nsearch example.com\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver what\n");
        Assert.Equal(["192.0.2.1:53", "[2001:db8::1]:53"], new DnsOptions().Endpoints(file).Select(endpoint => endpoint.ToString()));
        Assert.Equal(["127.0.0.1:53"], new DnsOptions().Endpoints(file + ".absent").Select(endpoint => endpoint.ToString()));
    }

    [Fact]
    public void Wrong_server_is_an_error_at_its_place()
    {
        var model = PolicyUnderTest.Build(
            "policyd {\n  dns { servers = [\"nowhere\"] }\n  virtual_hosts = [ { port = 12345, plugins = [] } ]\n}", out var diagnostics);
        Assert.Null(model);
        Assert.Contains(diagnostics.All, line => line.ToString().StartsWith("test.hocon:2:", StringComparison.Ordinal)
            && line.Message.Contains("\"nowhere\"", StringComparison.Ordinal));
    }

    private static DnsResolver Resolver(
        ScriptedDnsServer server, TimeProvider? clock = null, Action<DnsOptions>? change = null, LogCapture? log = null)
    {
        var options = new DnsOptions { Servers = [server.Address], Timeout = TimeSpan.FromSeconds(15) };
        change?.Invoke(options);
        return new DnsResolver(options, clock ?? TimeProvider.System, (log ?? new LogCapture()).CreateLogger("dns"));
    }

    private static async Task<IEnumerable<string>> Addresses(DnsResolver resolver, string name, DnsRecordType type = DnsRecordType.A) =>
        (await resolver.ResolveAsync(name, type, Ct)).Records.Cast<AddressRecord>().Select(record => record.Address.ToString());
}
