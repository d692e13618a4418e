using System.Collections.Concurrent;
using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A mail whose RCPT and END-OF-MESSAGE come to different nodes is counted once and limited once, wherever sessions are. What a plugin
/// remembers of a mail is known to the other node only where they have the sessions in common.
/// </summary>
[ServerTest]
public sealed class ClusterSessionSpecs(ITestOutputHelper output)
{
    private const int Clients = 12;
    private const int Mails = ClusterUnderTest.Threshold + 30;
    private const string Sender = "one@example.com";
    private const string Header = "PREPEND X-MtScore: NO score=0";

    // Counted at the end of the mail; the header is added once a mail.
    private static readonly string s_plugins = $$"""
        {
          name = q, module = Quota, field = sender, metric = count, threshold = {{ClusterUnderTest.Threshold}}, time_pattern = "%Y"
          action = "reject full"
        }
        {
          name = end, module = Condition, key = protocol_state, match = END-OF-MESSAGE
          plugins = [ { name = a, module = Accounting, fields = sender, time_pattern = "%Y" } ]
        }
        { name = header, module = AddScoreHeader }
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task With_sessions_in_each_nodes_memory() => IsExact("memory", "", "session_cache { module = Memory }", Header);

    [Fact]
    public async Task With_sessions_in_Redis()
    {
        await using var redis = await RedisServer.StartNew();
        await IsExact(
            "Redis",
            $"r {{ module = Redis, server = \"127.0.0.1:{redis.Port}\" }}",
            "session_cache { module = Redis, redis = r }",
            "dunno");
    }

    [Fact]
    public async Task With_sessions_in_memcached()
    {
        await using var memcached = await MemcachedServer.StartNew();
        await IsExact(
            "memcached",
            $"m {{ module = Memcached, servers = \"127.0.0.1:{memcached.Port}\" }}",
            "session_cache { module = Memcached, memcached = m }",
            "dunno");
    }

    private async Task IsExact(string where, string connections, string sessions, string atTheEnd)
    {
        await using var cluster = await ClusterUnderTest.Start(
            new ClusterSetup(2) { Connections = connections, Sections = $"cron {{ enabled = off }}, {sessions}", Plugins = s_plugins });

        // A quota whose counter is not there yet lets everybody in.
        foreach (var node in cluster.Nodes)
        {
            await node.KnowsOwnerOf(Sender);
        }

        var answers = new ConcurrentBag<(string Rcpt, string? End)>();
        var number = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref number) is var mail && mail <= Mails)
            {
                answers.Add(await SendAsync(cluster, mail));
            }
        })));
        var letIn = answers.Where(static one => one.End is not null).ToList();
        var counted = 0L;
        await Eventually.Settles(
            () => $"all {letIn.Count} mails to be counted, not {counted}:\n{cluster.Printed}",
            async () => (counted = (await cluster.Counted()).GetValueOrDefault(Sender)) >= letIn.Count,
            ClusterUnderTest.Timeout);
        Summary.Line(output, $"RCPT and END-OF-MESSAGE at different nodes, sessions in {where}: {letIn.Count} let in, {counted} counted");
        Assert.Equal(ClusterUnderTest.Threshold, letIn.Count);
        Assert.Equal(ClusterUnderTest.Threshold, counted);
        Assert.All(letIn, one => Assert.Equal((Header, atTheEnd), one));
        Assert.All(answers.Where(static one => one.End is null), static one => Assert.Equal("reject full", one.Rcpt));
    }

    /// <summary>A mail as two MTAs behind one name ask about it: its connections stay until it is over.</summary>
    private static async Task<(string Rcpt, string? End)> SendAsync(ClusterUnderTest cluster, int mail)
    {
        await using var first = await PolicyClient.ConnectAsync(cluster.Nodes[mail % 2].Address, Cancel);
        await using var second = await PolicyClient.ConnectAsync(cluster.Nodes[1 - (mail % 2)].Address, Cancel);
        var answer = await first.AskAsync(Request(mail, "RCPT"), Cancel);
        return answer == "reject full" ? (answer, null) : (answer, await second.AskAsync(Request(mail, "END-OF-MESSAGE"), Cancel));
    }

    private static byte[] Request(int mail, string state) =>
        PolicyRequestBuilder.AccessPolicy().Add("protocol_state", state).Add("sender", Sender).Add("recipient", "r@example.net")
            .Add("instance", string.Create(CultureInfo.InvariantCulture, $"s.{mail}")).Add("size", "10").ToBytes();
}
