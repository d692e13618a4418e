using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Store;
using Policyd.Engine.Connections;
using Policyd.Engine.Life;
using Policyd.Plugins.Api;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Logging;

namespace Policyd.Engine.Model;

/// <summary>
/// The periodic tasks of counters, whichever plugin counts: hourly the request ids of old mails go, daily the rows of windows that have run
/// out or are no longer kept.
/// </summary>
internal sealed class CounterUpkeep(CounterTableSet tables, SqlConnections databases)
{
    // Postfix asks again at most some 200 s later; two hours leave room for any clock.
    private static readonly TimeSpan s_requestIdsKept = TimeSpan.FromHours(2);

    // Another node, whose clock is behind, may still count into a bucket or read it.
    private static readonly TimeSpan s_clocksApart = TimeSpan.FromMinutes(5);

    // By connection: another run is not begun beside one that has not ended.
    private readonly ConcurrentDictionary<string, Task> _runs = new(StringComparer.Ordinal);

    /// <summary>Does what is due; a connection that fails, or takes too long, is logged and hinders no other.</summary>
    /// <param name="cron">The tick.</param>
    /// <param name="timeout">How long it may take for one connection.</param>
    /// <returns>How many connections failed.</returns>
    public async ValueTask<int> RunAsync(CronContext cron, TimeSpan timeout)
    {
        if (!cron.Has("hourly") && !cron.Has("daily"))
        {
            return 0;
        }

        var turn = new CronTurn(cron, timeout);
        var failures = 0;
        foreach (var connection in tables.Uses.Select(static use => use.Connection).Distinct())
        {
            var isDone = await turn.RunAsync(
                $"the counters of connection {connection}",
                "",
                _runs.GetValueOrDefault(connection),
                ct => _runs[connection] = PluginCall.Begin(
                    () => RunAsync(cron with { Cancellation = ct }, connection, databases.CounterStore(connection)))).ConfigureAwait(false);
            failures += isDone ? 0 : 1;
        }

        return failures;
    }

    private async ValueTask RunAsync(CronContext cron, string connection, ICounterStore store)
    {
        // The task may be the first that ever uses the database: it must not fail for want of tables.
        var counted = tables.Counted(connection);
        foreach (var table in counted)
        {
            await store.PrepareAsync(table.Table, cron.Cancellation).ConfigureAwait(false);
        }

        if (cron.Has("hourly"))
        {
            await store.PurgeRequestIdsAsync(cron.Clock.GetUtcNow() - s_requestIdsKept, cron.Cancellation).ConfigureAwait(false);
        }

        if (!cron.Has("daily"))
        {
            return;
        }

        foreach (var table in counted)
        {
            var purged = await store.PurgeWindowsAsync(table.Table, IsOld(table, cron.Clock.GetLocalNow()), cron.Cancellation)
                .ConfigureAwait(false);
            ChainLog.Write(
                cron.Logger,
                LogLevel.Information,
                string.Create(CultureInfo.InvariantCulture, $"{purged} old rows of {table.Table} ({connection}) deleted"));
        }
    }

    // Buckets that have run out are nobody's.
    private static Func<string, bool> IsOld(CounterTable table, DateTimeOffset now)
    {
        Func<string, bool>[] rules = [.. table.Retentions.Select(retention => retention.At(now))];
        return time => WindowAge.BucketExpiry(time) is { } expiry
            ? expiry + s_clocksApart < now || WindowAge.IsFarAhead(time, now)
            : Array.Exists(rules, rule => rule(time));
    }
}
