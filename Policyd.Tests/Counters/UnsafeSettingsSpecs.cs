using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>A MariaDB whose settings can lose a commit that was answered: the operator is told, by each start of the server once.</summary>
[ServerTest]
public sealed class UnsafeSettingsSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    [Fact]
    public async Task MariaDb_that_may_lose_a_commit_is_warned_of_once_a_start_and_one_that_may_not_never()
    {
        // The settings are the whole server's, so not that of the other tests. sync_binlog matters where there is such a log.
        await using var mariaDb = new MariaDbServer { MoreOptions = ["--log-bin"] };
        var configuration = Configure(await mariaDb.NewDatabase());
        await mariaDb.Execute("SET GLOBAL sync_binlog = 1");
        Assert.Empty(await WarningsAsync(configuration));

        await mariaDb.Execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
        Assert.Contains("innodb_flush_log_at_trx_commit is 2", Assert.Single(await WarningsAsync(configuration)), StringComparison.Ordinal);

        await mariaDb.Execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1, sync_binlog = 0");
        Assert.Contains("sync_binlog is 0", Assert.Single(await WarningsAsync(configuration)), StringComparison.Ordinal);

        await mariaDb.Execute("SET GLOBAL sync_binlog = 1");
        Assert.Empty(await WarningsAsync(configuration));
        Assert.Equal("4\n4", await mariaDb.Query("SELECT sum(count) FROM d1.acct_sender; SELECT sum(count) FROM d1.acct_recipient"));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>What a server says of settings from its start over a mail, counted in both of its tables, to its end.</summary>
    private async Task<IReadOnlyList<string>> WarningsAsync(string configuration)
    {
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using (var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken))
        {
            var mail = PolicyRequestBuilder.AccessPolicy()
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("sender", "a@example.com")
                .Add("recipient", "b@example.org");
            Assert.Equal(
                "dunno",
                await client.AskAsync(mail.Add("instance", Guid.NewGuid().ToString("N")).ToBytes(), TestContext.Current.CancellationToken));
        }

        server.Terminate();
        Assert.Equal(0, await server.Exits(TimeSpan.FromMinutes(3)));
        return [.. server.Lines.Where(line => line.Contains("may lose", StringComparison.Ordinal))];
    }

    private string Configure(string dsn) => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], cron { enabled = off }
          connections { db { module = Sql, dsn = "{{dsn}}", user = policyd, password = secret } }
          virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ { name = a, module = Accounting, fields = "sender,recipient" } ] } ] }
        """);
}
