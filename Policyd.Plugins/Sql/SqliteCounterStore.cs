using System.Data.Common;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>
/// Counter tables in SQLite: one prepared upsert, run for each row. WAL lets readers go on while a commit runs; synchronous=FULL
/// (set by the database) makes an answered commit survive a power cut.
/// </summary>
internal sealed class SqliteCounterStore(SqliteDatabase database) : SqlCounterStore(database)
{
    private const string Most = "9223372036854775807";
    private readonly Dictionary<(string Table, bool Absolute), SqliteCommand> _upserts = [];
    private DbConnection? _prepared;

    // IMMEDIATE: a transaction that begins as a reader could find at its first write that it must start anew.
    protected override ValueTask<DbTransaction> BeginAsync(DbConnection connection, CancellationToken ct) =>
        new(((SqliteConnection)connection).BeginTransaction(deferred: false));

    protected override async Task CreateCommitsAsync(DbConnection connection, CancellationToken ct)
    {
        await ExecuteAsync(connection, "PRAGMA journal_mode = WAL", ct).ConfigureAwait(false);
        await ExecuteAsync(
            connection,
            "CREATE TABLE IF NOT EXISTS policyd_commits (node TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, ids BLOB NOT NULL, PRIMARY KEY (node, seq));"
            + "CREATE INDEX IF NOT EXISTS policyd_commits_at ON policyd_commits (at)",
            ct).ConfigureAwait(false);
    }

    protected override async Task<CounterTableInfo> TakeOverAsync(DbConnection connection, string table, CancellationToken ct)
    {
        await using var transaction = await BeginAsync(connection, ct).ConfigureAwait(false);
        var steps = await StepsAsync(connection, transaction, table, ct).ConfigureAwait(false);
        foreach (var (_, sql) in steps)
        {
            await ExecuteAsync(connection, sql, ct, transaction).ConfigureAwait(false);
        }

        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return new CounterTableInfo(table, IgnoresCase: false, CounterKeyText.MaxLength, TextRepertoire.Unicode, [.. steps.Select(step => step.Done)]);
    }

    protected override async Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct) =>
        [.. (await StepsAsync(connection, null, table, ct).ConfigureAwait(false)).Select(step => step.Done)];

    protected override Task<IReadOnlyList<CounterRow>> WriteAsync(
        DbConnection connection, DbTransaction transaction, string table, IReadOnlyList<RowChange> changes, CancellationToken ct)
    {
        if (!ReferenceEquals(_prepared, connection))
        {
            _upserts.Clear();
            _prepared = connection;
        }

        var rows = new List<CounterRow>(changes.Count);
        foreach (var change in changes)
        {
            var upsert = Upsert((SqliteConnection)connection, table, change.Absolute);
            upsert.Transaction = (SqliteTransaction)transaction;
            upsert.Parameters[0].Value = change.Key;
            upsert.Parameters[1].Value = change.Time;
            upsert.Parameters[2].Value = change.Amounts.Count;
            upsert.Parameters[3].Value = change.Amounts.CountRcpt;
            upsert.Parameters[4].Value = change.Amounts.Size;
            upsert.Parameters[5].Value = change.Amounts.SizeRcpt;
            using var reader = upsert.ExecuteReader();
            reader.Read();
            rows.Add(new CounterRow(change.AsWritten, change.Time, ReadSums(reader, 0)));
        }

        return Task.FromResult<IReadOnlyList<CounterRow>>(rows);
    }

    protected override async Task<long> DeletePagesAsync(DbConnection connection, string table, string condition, string value, CancellationToken ct)
    {
        var deleted = 0L;
        while (true)
        {
            await using var command = Command(connection, $"DELETE FROM {Quote(table)} WHERE rowid IN (SELECT rowid FROM {Quote(table)} WHERE {condition} LIMIT 1000)");
            command.Bind("@value", value);
            var page = await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            deleted += page;
            if (page == 0)
            {
                return deleted;
            }
        }
    }

    private SqliteCommand Upsert(SqliteConnection connection, string table, bool absolute)
    {
        if (!_upserts.TryGetValue((table, absolute), out var upsert))
        {
            var name = Quote(table);
            var sets = Sums.Select(sum => absolute
                ? $"\"{sum}\" = excluded.\"{sum}\""
                : $"\"{sum}\" = CASE WHEN excluded.\"{sum}\" > 0 AND \"{sum}\" > {Most} - excluded.\"{sum}\" THEN {Most} ELSE \"{sum}\" + excluded.\"{sum}\" END");
            upsert = (SqliteCommand)Command(
                connection,
                $"INSERT INTO {name} (\"key\", \"time\", \"count\", \"count_rcpt\", \"size\", \"size_rcpt\") VALUES (@key, @time, @c, @cr, @s, @sr) "
                + $"ON CONFLICT (\"key\", \"time\") DO UPDATE SET {string.Join(", ", sets)} RETURNING \"count\", \"count_rcpt\", \"size\", \"size_rcpt\"");
            foreach (var parameter in new[] { "@key", "@time", "@c", "@cr", "@s", "@sr" })
            {
                upsert.Parameters.Add(new SqliteParameter(parameter, null));
            }

            _upserts.Add((table, absolute), upsert);
        }

        return upsert;
    }

    private async Task<IReadOnlyList<(string Done, string Sql)>> StepsAsync(DbConnection connection, DbTransaction? transaction, string table, CancellationToken ct)
    {
        var name = Quote(table);
        var unique = $"CREATE UNIQUE INDEX {Quote(table + "_key_time")} ON {name} (\"key\", \"time\")";
        if (await CountAsync(connection, transaction, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = @table", table, ct).ConfigureAwait(false) == 0)
        {
            return
            [
                ($"table {table}: created",
                    $"CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, \"key\" VARCHAR(255) NOT NULL, \"time\" VARCHAR(255) NOT NULL, "
                    + "\"count\" BIGINT NOT NULL, \"count_rcpt\" BIGINT NOT NULL, \"size\" BIGINT NOT NULL, \"size_rcpt\" BIGINT NOT NULL); " + unique),
            ];
        }

        var isUnique = await CountAsync(
            connection,
            transaction,
            "SELECT count(*) FROM pragma_index_list(@table) AS one WHERE one.\"unique\" = 1 AND "
            + "(SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(one.name) ORDER BY name)) = 'key,time'",
            table,
            ct).ConfigureAwait(false) > 0;
        if (isUnique)
        {
            return [];
        }

        var steps = new List<(string Done, string Sql)>();
        var duplicates = await CountAsync(connection, transaction, $"SELECT count(*) - count(DISTINCT \"key\" || char(0) || \"time\") FROM {name} WHERE @table <> ''", table, ct).ConfigureAwait(false);
        if (duplicates > 0)
        {
            var sums = string.Join(", ", Sums.Select(sum => $"\"{sum}\" = (SELECT sum(twin.\"{sum}\") FROM {name} AS twin WHERE twin.\"key\" = {name}.\"key\" AND twin.\"time\" = {name}.\"time\")"));
            var firsts = $"SELECT min(id) FROM {name} GROUP BY \"key\", \"time\"";
            steps.Add((
                $"table {table}: {duplicates} rows that stood twice were added to their first",
                $"UPDATE {name} SET {sums} WHERE id IN (SELECT min(id) FROM {name} GROUP BY \"key\", \"time\" HAVING count(*) > 1); DELETE FROM {name} WHERE id NOT IN ({firsts})"));
        }

        steps.Add(($"table {table}: a unique key on key and time was added", unique));
        return steps;
    }

    private static async Task<long> CountAsync(DbConnection connection, DbTransaction? transaction, string sql, string table, CancellationToken ct)
    {
        await using var command = Command(connection, sql, transaction);
        command.Bind("@table", table);
        return Convert.ToInt64(await command.ExecuteScalarAsync(ct).ConfigureAwait(false), System.Globalization.CultureInfo.InvariantCulture);
    }
}
