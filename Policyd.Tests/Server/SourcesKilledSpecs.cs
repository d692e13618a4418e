using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// memcached, Redis, LDAP and the database are each killed and started again under one loaded server: every request is answered.
/// </summary>
[ServerTest]
public sealed class SourcesKilledSpecs(ITestOutputHelper output) : IAsyncDisposable
{
    private const int Connections = 16;

    // MariaDB recovers when it was killed, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly CancellationTokenSource _stop = new();
    private int _answered;
    private int _number;

    [Fact]
    public async Task No_request_is_left_without_an_answer_when_its_sources_are_killed()
    {
        await using var memcached = new MemcachedServer();
        await using var redis = new RedisServer();
        await using var mariaDb = new MariaDbServer();
        await memcached.Start();
        await redis.Start();
        var dsn = await mariaDb.NewDatabase();
        await using var slapd = await SlapdServer.StartNew(withTls: false);
        await using var server = await PolicydProcess.Serve(Configure(memcached.Port, redis.Port, slapd.Port, dsn), _port);
        var clients = Enumerable.Range(0, Connections).Select(_ => Task.Run(AskAsync)).ToList();

        (string Name, Func<Task> Kill, Func<Task> Start)[] sources =
        [
            ("memcached", memcached.Kill, memcached.Start), ("Redis", redis.Kill, redis.Start), ("LDAP", slapd.Kill, slapd.Start), (
                "MariaDB", mariaDb.Kill, mariaDb.Start),
        ];
        var meanwhile = new List<string>();
        foreach (var (name, kill, start) in sources)
        {
            await MoreAsync(clients, 100);
            await kill();
            var before = Volatile.Read(ref _answered);
            await MoreAsync(clients, 200);
            meanwhile.Add($"{name} {Volatile.Read(ref _answered) - before}");
            await start();
        }

        await Task.WhenAll(sources.Select(source => source.Kill()));
        await MoreAsync(clients, 200);
        await Task.WhenAll(sources.Select(source => source.Start()));
        await MoreAsync(clients, 200);
        await _stop.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(s_timeout, TestContext.Current.CancellationToken);
        Assert.Equal(_number, _answered);
        Summary.Line(
            output,
            $"memcached, Redis, LDAP and MariaDB killed under load one by one and together: {_answered} of {_number} requests answered, of "
                + $"them while one was away: {string.Join(", ", meanwhile)}");
        server.Terminate();
        Assert.Equal(0, await server.Exits());
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _stop.Dispose();
        _folder.Dispose();
    }

    private async Task MoreAsync(List<Task> clients, int answers)
    {
        var goal = Volatile.Read(ref _answered) + answers;
        await Eventually.Holds(
            $"{answers} more answers",
            () => clients.Find(client => client.IsFaulted) is { Exception: { } failure }
                ? throw failure
                : Volatile.Read(ref _answered) >= goal,
            s_timeout);
    }

    /// <summary>One connection, as Postfix keeps it: a request without an answer would end it, and fail the test.</summary>
    private async Task AskAsync()
    {
        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);
        while (!_stop.IsCancellationRequested)
        {
            var number = Interlocked.Increment(ref _number);
            var action = await client.AskAsync(
                PolicyRequestBuilder
                    .AccessPolicy()
                    .Add("protocol_state", "RCPT")
                    .Add("instance", $"{number}.1")
                    .Add("client_address", $"192.0.2.{number % 200}")
                        .Add("sender", $"u{number % 50}@example.com")
                            .Add("recipient", "bob@example.org")
                            .Add("sasl_username", "alice")
                            .ToBytes(),
                TestContext.Current.CancellationToken);
            Assert.True(action == "dunno" || action.StartsWith("defer greylisting is active", StringComparison.Ordinal), action);
            Interlocked.Increment(ref _answered);
        }
    }

    private string Configure(int memcached, int redis, int slapd, string dsn) => _folder.Write("policyd.hocon", $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"]
          admin { listen = off }
          connections {
            db { module = Sql, dsn = "{{dsn}}", user = policyd, password = secret }
            memcached { module = Memcached, servers = "127.0.0.1:{{memcached}}" }
            redis { module = Redis, server = "127.0.0.1:{{redis}}" }
            ldap { module = Ldap, host = 127.0.0.1, port = {{slapd}}, starttls = off, timeout = 2s }
          }
          session_cache { module = Memcached }
          virtual_hosts = [ { name = all, port = {{_port}}, plugins = [
            { name = user, module = LdapUserConfig, basedn = "dc=example,dc=org", filter = "(uid=%s)", config_fields = employeeNumber }
            { name = trap, module = Honeypot, recipients = "nobody@example.org", store = Memcached }
            { name = quota, module = Quota, field = sender, metric = count, threshold = 1000000 }
            { name = acct, module = Accounting, fields = "sender,client_address" }
            { name = grey, module = Greylist, ticket { module = Redis, min_retry_wait = 1s }, awl { module = Redis } }
          ] } ]
        }
        """);
}
