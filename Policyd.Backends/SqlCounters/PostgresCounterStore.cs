using System.Collections.Concurrent;
using System.Data.Common;
using Npgsql;
using NpgsqlTypes;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// Counter tables in PostgreSQL. A commit is one batch in one round trip: without BEGIN and COMMIT around it the server runs the whole
/// of it as one transaction. Rows travel as arrays, so that the statement is the same for any number of them and stays prepared.
/// </summary>
internal sealed class PostgresCounterStore(PostgresDatabase database) : SqlCounterStore(database)
{
    // A server set to synchronous_commit=off would answer before the commit is on its disk; other settings are the operator's choice.
    internal const string Durable =
        "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

    // As what keys are compared: text that is given for a column of another type would be compared as text.
    private readonly ConcurrentDictionary<string, string> _keyTypes = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Table, bool Absolute), string> _upserts = [];

    protected override async Task CommitAsync(DbConnection connection, CommitPlan plan, Action committing)
    {
        using var batch = new NpgsqlBatch((NpgsqlConnection)connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(Durable));
        batch.BatchCommands.Add(Recorded(plan.Commit));
        var answers = new List<PlannedTable?> { null };
        foreach (var table in plan.Tables)
        {
            foreach (var rows in table.Rows.GroupBy(row => row.Absolute).OrderBy(group => group.Key))
            {
                batch.BatchCommands.Add(Upsert(table.Info.Table, [.. rows], rows.Key));
                answers.Add(table);
            }
        }

        // After the rows: their results come first.
        foreach (var mark in plan.Commit.Spooled)
        {
            batch.BatchCommands.Add(Marked(mark, plan.Commit.At));
        }

        committing();
        var reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        foreach (var table in answers)
        {
            while (await reader.ReadAsync().ConfigureAwait(false))
            {
                var (key, time) = (reader.GetString(0), reader.GetString(1));
                (table?.Find(key, time) ?? table?.Find(CounterKeyText.ForTable(key, table.Info), time))?.Read(Amounts(reader, 2));
            }

            await reader.NextResultAsync().ConfigureAwait(false);
        }
    }

    protected override async Task LoadAsync(
        DbConnection connection,
        PlannedTable table,
        CounterTimeRange times,
        Dictionary<string, List<string>> keys,
        List<CounterRow> rows,
        CancellationToken ct)
    {
        using var command = (NpgsqlCommand)connection.CreateCommand();
        var type = _keyTypes.GetValueOrDefault(table.Info.Table, "text");
        var ofTimes = times.From == times.To ? "= $2" : "COLLATE \"C\" BETWEEN $2 AND $3";
        command.CommandText =
            $"SELECT \"key\"::text, \"time\", {Columns} FROM {Quote(table.Info.Table)} WHERE \"key\" = "
                + $"ANY($1::{type}[]) AND \"time\" {ofTimes}";

        command.Parameters.Add(Value(keys.Keys.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text));
        command.Parameters.Add(Value(times.From, NpgsqlDbType.Text));
        if (times.From != times.To)
        {
            command.Parameters.Add(Value(times.To, NpgsqlDbType.Text));
        }

        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            var stored = reader.GetString(0);
            if (keys.TryGetValue(stored, out var names) || keys.TryGetValue(CounterKeyText.ForTable(stored, table.Info), out names))
            {
                AddLoaded(rows, names, reader.GetString(1), Amounts(reader, 2));
            }
        }
    }

    protected override async Task<CounterTableInfo> PrepareAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
        await using var _ = transaction.ConfigureAwait(false);
        await ExecuteAsync(connection, OwnSchema.PostgresSchemaLock, ct).ConfigureAwait(false);
        var steps = await StepsAsync(connection, table, ct).ConfigureAwait(false);
        foreach (var (_, sql) in steps)
        {
            await ExecuteAsync(connection, sql, ct).ConfigureAwait(false);
        }

        var info = await InfoAsync(connection, table, [.. steps.Select(step => step.Done)], ct).ConfigureAwait(false);
        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return info;
    }

    protected override async Task<CounterTableInfo> InfoAsync(
        DbConnection connection, string table, IReadOnlyList<string> done, CancellationToken ct)
    {
        using var encoding = connection.Command("SELECT current_setting('server_encoding')");
        var repertoire = await encoding.ExecuteScalarAsync(ct).ConfigureAwait(false) switch
        {
            "UTF8" => TextRepertoire.Unicode,
            "LATIN1" => TextRepertoire.Latin1,
            _ => TextRepertoire.Ascii,
        };
        var column = await PostgresKeyColumn.LearnAsync((NpgsqlConnection)connection, table, repertoire, ct).ConfigureAwait(false);
        _keyTypes[table] = column.Type;
        return new CounterTableInfo(table, column.Folding, column.Length, repertoire, done)
        {
            Warnings = column.Warning is { } warning ? [$"table {table}: {warning}"] : [],
        };
    }

    protected override async Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct) =>
        await SentencesAsync(connection, await StepsAsync(connection, table, ct).ConfigureAwait(false), ct).ConfigureAwait(false);

    protected override CounterTableInfo DefaultInfo(string table) =>
        new(table, KeyFolding.Exact, CounterKeyText.MaxLength, TextRepertoire.Unicode, []);

    private static NpgsqlParameter Value(object value, NpgsqlDbType type) => new() { Value = value, NpgsqlDbType = type };

    private static async Task ExecuteAsync(DbConnection connection, string sql, CancellationToken ct)
    {
        using var command = connection.Command(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private NpgsqlBatchCommand Recorded(CounterCommit commit)
    {
        var ids = commit.Member is null ? "$4" : FenceTable.IfUnfenced(SqlProvider.PostgreSQL, "$4::bytea", "$6");
        var command = new NpgsqlBatchCommand($"INSERT INTO {Commits} (node, seq, at, ids, format) VALUES ($1, $2, $3, {ids}, $5)")
        {
            Parameters =
            {
                Value(commit.Node.ToString("N"), NpgsqlDbType.Text),
                Value(commit.Sequence, NpgsqlDbType.Bigint),
                Value(commit.At.ToUnixTimeMilliseconds(), NpgsqlDbType.Bigint),
                Value(CommitPlan.Encode(commit.RequestIds), NpgsqlDbType.Bytea),
                Value((short)commit.IdFormat, NpgsqlDbType.Smallint),
            },
        };
        if (commit.Member is { } member)
        {
            command.Parameters.Add(Value(member, NpgsqlDbType.Text));
        }

        return command;
    }

    private static NpgsqlBatchCommand Marked(SpoolMark mark, DateTimeOffset at) => new(
        "INSERT INTO policyd_spool (node, table_name, through, at) VALUES ($1, $2, $3, $4) ON CONFLICT (node, table_name) DO UPDATE "
            + "SET through = CASE WHEN $5 IS NULL THEN GREATEST(policyd_spool.through, excluded.through) "
            + "WHEN policyd_spool.through = $5 THEN excluded.through END, at = excluded.at")
    {
        Parameters =
        {
            Value(mark.Node.ToString("N"), NpgsqlDbType.Text),
            Value(mark.Table, NpgsqlDbType.Text),
            Value(mark.Through, NpgsqlDbType.Bigint),
            Value(at.ToUnixTimeMilliseconds(), NpgsqlDbType.Bigint),
            Value(mark.From is { } from ? from : DBNull.Value, NpgsqlDbType.Bigint),
        },
    };

    // Only asked for in the writer's lane.
    private string UpsertText(string table, bool absolute)
    {
        if (!_upserts.TryGetValue((table, absolute), out var text))
        {
            var sets = Metrics.Select(
                m => absolute ? $"{m} = excluded.{m}" : $"{m} = {Saturated("LEAST", "GREATEST", "row." + m, "excluded." + m)}");
            text = $"INSERT INTO {Quote(table)} AS row (\"key\", \"time\", {Columns}) SELECT * FROM unnest($1, $2, $3, $4, $5, $6) "
                + $"ON CONFLICT (\"key\", \"time\") DO UPDATE SET {string.Join(", ", sets)} RETURNING row.\"key\"::text, row.\"time\", "
                + $"{string.Join(", ", Metrics.Select(m => "row." + m))}";
            _upserts.Add((table, absolute), text);
        }

        return text;
    }

    private NpgsqlBatchCommand Upsert(string table, List<PlannedRow> rows, bool absolute) =>
        new(UpsertText(table, absolute))
        {
            Parameters =
            {
                Value(rows.ConvertAll(row => row.Id.Key), NpgsqlDbType.Array | NpgsqlDbType.Text),
                Value(rows.ConvertAll(row => row.Id.Time), NpgsqlDbType.Array | NpgsqlDbType.Text),
                Value(rows.ConvertAll(row => row.Amounts.Count), NpgsqlDbType.Array | NpgsqlDbType.Bigint),
                Value(rows.ConvertAll(row => row.Amounts.CountRcpt), NpgsqlDbType.Array | NpgsqlDbType.Bigint),
                Value(rows.ConvertAll(row => row.Amounts.Size), NpgsqlDbType.Array | NpgsqlDbType.Bigint),
                Value(rows.ConvertAll(row => row.Amounts.SizeRcpt), NpgsqlDbType.Array | NpgsqlDbType.Bigint),
            },
        };

    private async Task<IReadOnlyList<(string Done, string Sql)>> StepsAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var name = Quote(table);
        var columns = new Dictionary<string, string>(StringComparer.Ordinal);
        using var command = connection.Command(
            $"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = {SchemaLook.PostgresTable("@table")} AND "
                + "attnum > 0 AND NOT attisdropped",
            ("@table", table));
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            while (await reader.ReadAsync(ct).ConfigureAwait(false))
            {
                columns.Add(reader.GetString(0), reader.GetString(1));
            }
        }

        if (columns.Count == 0)
        {
            return
            [
                ($"table {table}: created",
                    $"CREATE TABLE {name} (\"key\" varchar(255) COLLATE \"C\" NOT NULL, \"time\" varchar(255) COLLATE \"C\" NOT NULL, "
                    + $"count bigint NOT NULL, count_rcpt bigint NOT NULL, "
                    + "size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY (\"key\", \"time\"))"),
            ];
        }

        var steps = new List<(string Done, string Sql)>();
        var narrow = Metrics.Append("id")
            .Where(c => columns.TryGetValue(c, out var type) && type is "integer" or "smallint" or "numeric")
            .ToList();
        if (narrow.Count > 0)
        {
            steps.Add((
                $"table {table}: columns widened to 64 bits: {string.Join(", ", narrow)}",
                $"ALTER TABLE {name} {string.Join(", ", narrow.Select(c => $"ALTER COLUMN {c} TYPE bigint"))}"));
        }

        using var unique = connection.Command(
            $"SELECT count(*) FROM pg_index i WHERE i.indrelid = {SchemaLook.PostgresTable("@table")} AND i.indisunique AND i.indpred IS "
            + "NULL AND i.indnkeyatts = 2 AND "
            + "(SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum "
            + "= ANY(i.indkey)) = 'key,time'",
            ("@table", table));
        if (await unique.ExecuteScalarAsync(ct).ConfigureAwait(false) is 0L)
        {
            steps.Add(
                ($"table {table}: duplicate rows of one key and time merged, and a unique key on key and time added", MergeTwins(name)));
        }

        return steps;
    }

    private static string MergeTwins(string name)
    {
        var sums = string.Join(", ", Metrics.Select(m => $"sum({m})::bigint AS {m}"));
        var sets = string.Join(", ", Metrics.Select(m => $"{m} = one.{m}"));
        return $"LOCK TABLE {name}; CREATE TEMP TABLE policyd_merged ON COMMIT DROP AS SELECT min(ctid) AS kept, \"key\", \"time\", {sums} "
            + $"FROM {name} GROUP BY \"key\", \"time\" HAVING count(*) > 1; "
            + $"DELETE FROM {name} AS extra USING policyd_merged AS one WHERE extra.\"key\" = one.\"key\" AND extra.\"time\" = "
            + $"one.\"time\" AND extra.ctid <> one.kept; "
            + $"UPDATE {name} AS row SET {sets} FROM policyd_merged AS one WHERE row.ctid = one.kept; "
            + $"ALTER TABLE {name} ADD UNIQUE (\"key\", \"time\")";
    }
}
