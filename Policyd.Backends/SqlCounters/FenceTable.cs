using System.Data.Common;
using System.Globalization;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// The statements of <c>policyd_nodes</c> on PostgreSQL and MySQL or MariaDB. A commit holds its member's row shared until it ends, so that
/// a fence waits for it; a commit that begins after a fence waits for that, and finds its member fenced.
/// </summary>
/// <param name="provider">The kind of database.</param>
internal sealed class FenceTable(SqlProvider provider)
{
    // A commit takes milliseconds. One that holds the row longer is stuck: its owner is told, and asks again.
    private const string LockSeconds = "3";

    /// <summary>Milliseconds since 1970 by the database's clock, whatever the time zone of the session.</summary>
    public string Now { get; } = provider == SqlProvider.PostgreSQL
        ? "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
        : "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000";

    /// <summary>
    /// An expression of a commit: the value when the member may commit, else NULL, which the column refuses, and with it the transaction.
    /// Holds the member's row until the transaction ends.
    /// </summary>
    public static string IfUnfenced(SqlProvider provider, string value, string member) =>
        $"(SELECT {value} FROM policyd_nodes WHERE member = {member} AND fenced = 0 "
            + $"{(provider == SqlProvider.PostgreSQL ? "FOR SHARE" : "LOCK IN SHARE MODE")})";

    public async Task EnterAsync(DbConnection connection, string member, CancellationToken ct)
    {
        using var command = connection.Command(
            $"INSERT INTO policyd_nodes (member, fenced, at) VALUES (@member, 0, {Now}) "
                + (provider == SqlProvider.PostgreSQL
                    ? "ON CONFLICT (member) DO NOTHING"
                    : "ON DUPLICATE KEY UPDATE member = VALUES(member)"),
            ("@member", member));
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        if (await IsFencedAsync(connection, member, ct).ConfigureAwait(false))
        {
            throw Fenced(member);
        }
    }

    public async Task FenceAsync(DbConnection connection, string member, CancellationToken ct)
    {
        var fence = provider == SqlProvider.PostgreSQL
            ? $"{PostgresCounterStore.Durable}; SELECT set_config('lock_timeout', '{LockSeconds}s', true); "
                + $"INSERT INTO policyd_nodes (member, fenced, at) VALUES (@member, 1, {Now}) ON CONFLICT (member) DO UPDATE "
                + "SET fenced = 1, at = excluded.at WHERE policyd_nodes.fenced = 0"
            : $"SET SESSION innodb_lock_wait_timeout = {LockSeconds}; "
                + $"INSERT INTO policyd_nodes (member, fenced, at) VALUES (@member, 1, {Now}) ON DUPLICATE KEY UPDATE "
                + "at = IF(fenced = 0, VALUES(at), at), fenced = 1";
        using var command = connection.Command(fence, ("@member", member));
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    public static async Task<IReadOnlyList<string>> UnfencedAsync(DbConnection connection, CancellationToken ct)
    {
        using var command = connection.Command("SELECT member FROM policyd_nodes WHERE fenced = 0 ORDER BY member");
        var members = new List<string>();
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            members.Add(reader.GetString(0));
        }

        return members;
    }

    /// <summary>Whether a member may commit no more: it has been fenced, or it has never entered.</summary>
    public static async Task<bool> IsFencedAsync(DbConnection connection, string member, CancellationToken ct)
    {
        using var command = connection.Command("SELECT fenced FROM policyd_nodes WHERE member = @member", ("@member", member));
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is not { } fenced
            || Convert.ToInt32(fenced, CultureInfo.InvariantCulture) != 0;
    }

    /// <summary>Forgets members that were fenced long ago: no process stands still for so long and goes on.</summary>
    public static async Task<long> PurgeAsync(DbConnection connection, long before, CancellationToken ct)
    {
        using var command = connection.Command("DELETE FROM policyd_nodes WHERE fenced = 1 AND at < @before", ("@before", before));
        return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    public static CounterStoreException Fenced(string member, Exception? cause = null) => new(
        CounterStoreFailure.Fenced, $"this node ({member}) was fenced by the others: it counts nothing any more", cause);
}
