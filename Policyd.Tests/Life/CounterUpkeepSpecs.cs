using System.Data.Common;
using Policyd.Tests.Plugins;
using Policyd.Tests.Support;

namespace Policyd.Tests.Life;

/// <summary>The deletion of old counts is periodic work like that of a plugin: it has its time, and no more.</summary>
[ServerTest]
public sealed class CounterUpkeepSpecs(PostgresServer postgres)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Deletion_that_a_lock_holds_up_is_given_up_after_its_time_and_done_at_a_later_tick()
    {
        await using var policy = PolicyUnderTest.Of(
            $$"""
            policyd { listen = ["127.0.0.1:0"], cron { timeout = 1s }
              connections { db { module = Sql, dsn = "{{await postgres.NewDatabase()}}", user = postgres } }
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [ { name = acct, module = Accounting, fields = sender } ] } ] }
            """);
        await policy.Model.CounterStores["db"].PrepareAsync("acct_sender", Cancel);

        await using var holder = await policy.Model.Sql.Database("db").OpenAsync(Cancel);
        await Run(holder, "BEGIN; LOCK TABLE acct_sender");
        Assert.Equal(1, await policy.Model.CronAsync(["daily"], Cancel));
        Assert.Single(policy.Log.Containing("cron of the counters of connection db was cancelled after 1s (cron: timeout)"));

        await Run(holder, "COMMIT");
        await Eventually.Holds("the deletion to be done", async () => await policy.Model.CronAsync(["daily"], Cancel) == 0);
    }

    private static async Task Run(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
