using System.Data.Common;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// Counter tables in SQLite: prepared statements, run for each row. WAL lets loads go on while a commit runs; synchronous=FULL
/// (set by the database) makes an answered commit survive a power cut.
/// </summary>
internal sealed class SqliteCounterStore : SqlCounterStore
{
    private const string Merged = "temp.policyd_merged";

    // The statements are only touched in their lane. A lane that failed comes with a new connection, whose statements are prepared anew.
    private readonly SqliteDatabase _database;
    private readonly SqliteRowWriter _rows;
    private readonly SqliteStatements _reading = new();

    public SqliteCounterStore(SqliteDatabase database)
        : base(database)
    {
        _database = database;
        _rows = new SqliteRowWriter(Quote);
        Writer.Closing += _rows.Dispose;
        Reader.Closing += _reading.Dispose;
    }

    /// <summary>The writer's log, once it is attached: tests look.</summary>
    internal SqliteLogFile? Log => _rows.Log;

    /// <summary>
    /// Looks without leaving a trace: a file that is not there is not made, and beside one that is there nothing appears.
    /// </summary>
    public override async Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct)
    {
        if (!File.Exists(_database.File))
        {
            return [$"table {table}: created, in the new file {_database.File}"];
        }

        var untouched = _database.ToLookAt();
        await using var _ = untouched.ConfigureAwait(false);
        return await DescribeAsync(untouched, table, ct).ConfigureAwait(false);
    }

    public override async Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct)
    {
        if (!File.Exists(_database.File))
        {
            return null;
        }

        var untouched = _database.ToLookAt();
        await using var _ = untouched.ConfigureAwait(false);
        return await LookAsync(untouched, table, ct).ConfigureAwait(false);
    }

    protected override async Task BeforeSchemaAsync(DbConnection connection, CancellationToken ct)
    {
        using var command = connection.Command("PRAGMA journal_mode = WAL");
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    protected override void OnRowsDeleted() => _rows.Forget();

    protected override Task CommitAsync(DbConnection connection, CommitPlan plan, Action committing)
    {
        var statements = _rows.On((SqliteConnection)connection);
        // IMMEDIATE: a transaction that begins as a reader could find at its first write that it must start anew.
        statements["BEGIN IMMEDIATE"].Run();
        try
        {
            _rows.Begin();
            Record(statements, plan.Commit);
            foreach (var table in plan.Tables)
            {
                foreach (var row in table.Rows)
                {
                    _rows.Write(table.Info.Table, row);
                }
            }

            committing();
            _rows.Commit(plan);
        }
        catch (SqliteException)
        {
            _rows.Forget();
            RollBack(statements);
            throw;
        }

        return Task.CompletedTask;
    }

    protected override Task LoadAsync(
        DbConnection connection,
        PlannedTable table,
        CounterTimeRange times,
        Dictionary<string, List<string>> keys,
        List<CounterRow> rows,
        CancellationToken ct)
    {
        // One transaction: else each row takes and gives back a lock of the file. A connection on which it fails is closed.
        var statements = _reading.For((SqliteConnection)connection);
        statements["BEGIN"].Run();
        var select = statements[
            $"SELECT \"time\", {Columns} FROM {Quote(table.Info.Table)} WHERE \"key\" = ?1 AND \"time\" BETWEEN ?2 AND ?3"];
        foreach (var (key, names) in keys)
        {
            ct.ThrowIfCancellationRequested();
            select.Bind(1, key);
            select.Bind(2, times.From);
            select.Bind(3, times.To);
            while (select.Step())
            {
                AddLoaded(rows, names, select.Text(0), select.Amounts(1));
            }
        }

        statements["COMMIT"].Run();
        return Task.CompletedTask;
    }

    protected override async Task<CounterTableInfo> PrepareAsync(DbConnection connection, string table, CancellationToken ct)
    {
        using var transaction = ((SqliteConnection)connection).BeginTransaction(deferred: false);
        var steps = await StepsAsync(connection, table, ct).ConfigureAwait(false);
        foreach (var (_, sql) in steps)
        {
            using var command = connection.Command(sql);
            command.CommandTimeout = 0;
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        var info = await InfoAsync(connection, table, [.. steps.Select(step => step.Done)], ct).ConfigureAwait(false);
        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return info;
    }

    protected override async Task<CounterTableInfo> InfoAsync(
        DbConnection connection, string table, IReadOnlyList<string> done, CancellationToken ct) =>
        DefaultInfo(table) with { Folding = await FoldingAsync(connection, table, ct).ConfigureAwait(false), Done = done };

    protected override async Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct) =>
        [.. (await StepsAsync(connection, table, ct).ConfigureAwait(false)).Select(step => step.Done)];

    protected override CounterTableInfo DefaultInfo(string table) =>
        new(table, KeyFolding.Exact, CounterKeyText.MaxLength, TextRepertoire.Unicode, []);

    // Some errors (a full disk, an I/O error) have rolled back already, and ROLLBACK says so.
    private static void RollBack(SqliteStatements statements)
    {
        try
        {
            statements["ROLLBACK"].Run();
        }
        catch (SqliteException)
        {
        }
    }

    private static void Record(SqliteStatements statements, CounterCommit commit)
    {
        var insert = statements["INSERT INTO policyd_commits (node, seq, at, ids, format) VALUES (?1, ?2, ?3, ?4, ?5)"];
        insert.Bind(1, commit.Node.ToString("N"));
        insert.Bind(2, commit.Sequence);
        insert.Bind(3, commit.At.ToUnixTimeMilliseconds());
        insert.Bind(4, CommitPlan.Encode(commit.RequestIds));
        insert.Bind(5, commit.IdFormat);
        insert.Run();
        foreach (var mark in commit.Spooled)
        {
            var set = statements[
                "INSERT INTO policyd_spool (node, table_name, through, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (node, table_name) "
                    + "DO UPDATE SET through = CASE WHEN ?5 IS NULL THEN max(through, excluded.through) "
                    + "WHEN through = ?5 THEN excluded.through END, at = excluded.at"];
            set.Bind(1, mark.Node.ToString("N"));
            set.Bind(2, mark.Table);
            set.Bind(3, mark.Through);
            set.Bind(4, commit.At.ToUnixTimeMilliseconds());
            if (mark.From is { } from)
            {
                set.Bind(5, from);
            }
            else
            {
                set.BindNull(5);
            }

            set.Run();
        }
    }

    private async Task<IReadOnlyList<(string Done, string Sql)>> StepsAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var name = Quote(table);
        if (await CountAsync(
            connection,
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(@table)",
            table,
            ct).ConfigureAwait(false) == 0)
        {
            // One tree instead of a table and its index: half the pages to write for a commit of keys that are far apart.
            return
            [
                ($"table {table}: created",
                    $"CREATE TABLE {name} (\"key\" VARCHAR(255) NOT NULL, \"time\" VARCHAR(255) NOT NULL, count BIGINT NOT "
                    + $"NULL, count_rcpt BIGINT NOT NULL, "
                    + "size BIGINT NOT NULL, size_rcpt BIGINT NOT NULL, PRIMARY KEY (\"key\", \"time\")) WITHOUT ROWID"),
            ];
        }

        var unique = await CountAsync(
            connection,
            "SELECT count(*) FROM pragma_index_list(@table) AS one WHERE one.\"unique\" = 1 AND one.partial = 0 AND "
            + "(SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(one.name) ORDER BY name)) = 'key,time'",
            table,
            ct).ConfigureAwait(false);
        if (unique > 0)
        {
            return [];
        }

        var steps = new List<(string Done, string Sql)>();
        var twice =
            await CountAsync(
                connection,
                $"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {name} WHERE @table <> '' GROUP BY "
                    + $"\"key\", \"time\" HAVING n > 1)",
                table,
                ct).ConfigureAwait(
                false);
        if (twice > 0)
        {
            steps.Add(($"table {table}: {twice} duplicate {(twice == 1 ? "row" : "rows")} of one key and time merged", MergeTwins(name)));
        }

        steps.Add((
            $"table {table}: a unique key on key and time added",
            $"CREATE UNIQUE INDEX {Quote(table + "_key_time")} ON {name} (\"key\", \"time\")"));
        return steps;
    }

    // The unique key's collation, which an upsert needs to be the column's too.
    private static async Task<KeyFolding> FoldingAsync(DbConnection connection, string table, CancellationToken ct)
    {
        using var command = connection.Command(
            "SELECT upper(part.coll) FROM pragma_index_list(@table) AS one, pragma_index_xinfo(one.name) AS part WHERE one.\"unique\" = 1 "
            + "AND one.partial = 0 AND part.name = 'key' "
            + "AND (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(one.name) ORDER BY name)) = 'key,time'",
            ("@table", table));
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) switch
        {
            "NOCASE" => KeyFolding.AsciiCase,
            "RTRIM" => KeyFolding.TrailingSpaces,
            _ => KeyFolding.Exact,
        };
    }

    private static string MergeTwins(string name)
    {
        var sums = string.Join(", ", Metrics.Select(m => $"sum({m}) AS {m}"));
        var sets = string.Join(", ", Metrics.Select(m => $"{m} = one.{m}"));
        return $"CREATE TEMP TABLE policyd_merged AS SELECT min(rowid) AS kept, \"key\", \"time\", {sums} FROM {name} GROUP BY \"key\", "
            + $"\"time\" HAVING count(*) > 1; "
            + $"UPDATE {name} SET {sets} FROM {Merged} AS one WHERE {name}.rowid = one.kept; "
            + $"DELETE FROM {name} WHERE rowid IN (SELECT extra.rowid FROM {name} AS extra JOIN {Merged} AS one ON extra.\"key\" = "
            + $"one.\"key\" AND extra.\"time\" = one.\"time\" WHERE extra.rowid <> one.kept); "
            + $"DROP TABLE {Merged}";
    }

    private static async Task<long> CountAsync(DbConnection connection, string sql, string table, CancellationToken ct)
    {
        using var command = connection.Command(sql, ("@table", table));
        return Convert.ToInt64(await command.ExecuteScalarAsync(ct).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }
}
