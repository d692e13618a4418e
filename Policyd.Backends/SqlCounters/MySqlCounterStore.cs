using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// Counter tables in MySQL and MariaDB. A commit is one text in one round trip: the row of the commit, multi-row upserts with the new
/// totals, COMMIT. MySQL knows no RETURNING, so there the totals are read with a SELECT after each upsert.
/// </summary>
/// <param name="database">The database.</param>
/// <param name="mayReturn">False: as if every server were MySQL. For tests, which have a MariaDB.</param>
internal sealed class MySqlCounterStore(MySqlDatabase database, bool mayReturn = true) : SqlCounterStore(database)
{
    private const string Larger = "GREATEST(through, VALUES(through))";

    // Far below max_allowed_packet, whose smallest default is 1 MB.
    private const int RowsOfAStatement = 500;

    private static readonly string s_set = $" ON DUPLICATE KEY UPDATE {string.Join(", ", Metrics.Select(m => $"{m} = VALUES({m})"))}";
    private static readonly string s_add = " ON DUPLICATE KEY UPDATE "
        + $"{string.Join(", ", Metrics.Select(m => $"{m} = {Saturated("LEAST", "GREATEST", m, $"VALUES({m})")}"))}";

    // What a collation takes for one key is the server's, and the same for all its tables.
    private readonly ConcurrentDictionary<string, (KeyFolding Folding, string? Pairs)> _foldings = new(StringComparer.Ordinal);

    protected override async Task CommitAsync(DbConnection connection, CommitPlan plan, Action committing)
    {
        using var command = connection.Command(
            "",
            ("@node", plan.Commit.Node.ToString("N")),
            ("@seq", plan.Commit.Sequence),
            ("@at", plan.Commit.At.ToUnixTimeMilliseconds()),
            ("@ids", CommitPlan.Encode(plan.Commit.RequestIds)),
            ("@format", plan.Commit.IdFormat));
        var ids = "@ids";
        if (plan.Commit.Member is { } member)
        {
            ids = FenceTable.IfUnfenced(SqlProvider.MySQL, ids, command.Bind("@member", member).ParameterName);
        }

        var sql = new StringBuilder(
            $"START TRANSACTION; INSERT INTO {Commits} (node, seq, at, ids, format) VALUES (@node, @seq, @at, {ids}, @format); ");
        foreach (var mark in plan.Commit.Spooled)
        {
            AppendMark(sql, command, mark);
        }

        var returns = mayReturn && MariaDbVersion.KnowsReturning(connection.ServerVersion);
        var answers = new List<PlannedTable>();
        foreach (var table in plan.Tables)
        {
            foreach (var rows in table.Rows.GroupBy(row => row.Absolute)
                .OrderBy(group => group.Key)
                .SelectMany(group => group.Chunk(RowsOfAStatement)))
            {
                AppendUpsert(sql, command, table.Info.Table, rows, answers.Count, returns);
                answers.Add(table);
            }
        }

        command.CommandText = sql.Append("COMMIT").ToString();
        committing();
        var reader = await command.ExecuteReaderAsync().ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            do
            {
                while (await reader.ReadAsync().ConfigureAwait(false))
                {
                    var (table, key, time) = (answers[reader.GetInt32(0)], reader.GetString(1), reader.GetString(2));
                    (table.Find(key, time) ?? table.Find(CounterKeyText.ForTable(key, table.Info), time))?.Read(Amounts(reader, 3));
                }
            }
            while (await reader.NextResultAsync().ConfigureAwait(false));
        }

        // What the table's collation takes for the same key may be written otherwise there (an accent).
        foreach (var table in plan.Tables)
        {
            foreach (var row in table.Rows.Where(row => !row.IsRead))
            {
                var found = await ReadOneAsync(
                    connection,
                    table.Info.Table,
                    row.Id.Key,
                    new CounterTimeRange(row.Id.Time, row.Id.Time),
                    CancellationToken.None).ConfigureAwait(false);
                row.Read(found.Count > 0 ? found[0].Total : default);
            }
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
        foreach (var chunk in keys.Chunk(RowsOfAStatement))
        {
            using var command = connection.Command("", ("@from", times.From), ("@to", times.To));
            var parameters = chunk.Select((key, i) => command.Bind("@k" + i.ToString(CultureInfo.InvariantCulture), key.Key).ParameterName)
                .ToList();
            command.CommandText =
                $"SELECT `key`, `time`, {Columns} FROM {Quote(table.Info.Table)} WHERE `key` IN ({string.Join(',', parameters)}) AND "
                    + (times.From == times.To ? "`time` = @from" : "`time` BETWEEN @from AND @to");
            var asked = new FoldedKeys(table.Info, chunk);
            var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(ct).ConfigureAwait(false))
                {
                    AddLoaded(rows, asked.Take(reader.GetString(0)), reader.GetString(1), Amounts(reader, 2));
                }
            }

            foreach (var (key, names) in asked.Doubtful)
            {
                foreach (var (time, total) in await ReadOneAsync(connection, table.Info.Table, key, times, ct).ConfigureAwait(false))
                {
                    AddLoaded(rows, names, time, total);
                }
            }
        }
    }

    // ALTER TABLE is no part of a transaction here: a named lock keeps two nodes apart, and each step can be done again.
    protected override Task<CounterTableInfo> PrepareAsync(DbConnection connection, string table, CancellationToken ct) =>
        MySqlLock.HoldAsync(connection, table, token => PrepareLockedAsync(connection, table, token), ct);

    protected override async Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct) =>
        await SentencesAsync(connection, await StepsAsync(connection, table, ct).ConfigureAwait(false), ct).ConfigureAwait(false);

    protected override CounterTableInfo DefaultInfo(string table) =>
        new(table, KeyFolding.Exact, CounterKeyText.MaxLength, TextRepertoire.Unicode, []);

    private async Task<CounterTableInfo> PrepareLockedAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var steps = await StepsAsync(connection, table, ct).ConfigureAwait(false);
        foreach (var (_, sql) in steps)
        {
            using var command = connection.Command(sql);
            command.CommandTimeout = 0;
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        var info = await InfoAsync(connection, table, [.. steps.Select(step => step.Done)], ct).ConfigureAwait(false);
        return info with { Warnings = [.. info.Warnings, .. await DurabilityWarningsAsync(connection, ct).ConfigureAwait(false)] };
    }

    private static async Task<string?> ScalarAsync(DbConnection connection, string sql, string table, CancellationToken ct)
    {
        using var command = connection.Command(sql, ("@table", table));
        command.CommandTimeout = 0;
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) as string;
    }

    // These are global, so no session of ours can set them right. Without a synced binary log InnoDB's recovery rolls back
    // what it had already committed, as the log decides. SHOW gives no row for what a server does not have.
    private static async Task<IReadOnlyList<string>> DurabilityWarningsAsync(DbConnection connection, CancellationToken ct)
    {
        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        using var command = connection.Command(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog')");
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            while (await reader.ReadAsync(ct).ConfigureAwait(false))
            {
                settings[reader.GetString(0)] = reader.GetString(1);
            }
        }

        var warnings = new List<string>();
        if (settings.TryGetValue("innodb_flush_log_at_trx_commit", out var flush) && flush is "0" or "2")
        {
            warnings.Add(
                $"innodb_flush_log_at_trx_commit is {flush}: a crash of the database host may lose the last "
                    + $"counts; set it to 1 to prevent this");
        }

        if (settings.GetValueOrDefault("log_bin") == "ON" && settings.TryGetValue("sync_binlog", out var sync) && sync != "1")
        {
            warnings.Add($"sync_binlog is {sync}: a crash of the database host may lose the last counts; set it to 1 to prevent this");
        }

        return warnings;
    }

    // A mark that is not the one expected becomes NULL, which the column refuses, and with it the transaction.
    private static void AppendMark(StringBuilder sql, DbCommand command, SpoolMark mark)
    {
        var number = command.Parameters.Count.ToString(CultureInfo.InvariantCulture);
        var node = command.Bind("@n" + number, mark.Node.ToString("N")).ParameterName;
        var table = command.Bind("@t" + number, mark.Table).ParameterName;
        sql.Append(
            CultureInfo.InvariantCulture,
            $"INSERT INTO policyd_spool (node, table_name, through, at) VALUES ({node}, {table}, {mark.Through}, @at) ");
        sql.Append(
            CultureInfo.InvariantCulture,
            $"ON DUPLICATE KEY UPDATE through = {(mark.From is { } from ? $"IF(through = {from}, VALUES(through), NULL)" : Larger)}, ");
        sql.Append("at = VALUES(at); ");
    }

    private void AppendUpsert(StringBuilder sql, DbCommand command, string table, PlannedRow[] rows, int answer, bool returns)
    {
        var times = new Dictionary<string, string>(StringComparer.Ordinal);
        var keys = new string[rows.Length];
        sql.Append(CultureInfo.InvariantCulture, $"INSERT INTO {Quote(table)} (`key`, `time`, {Columns}) VALUES ");
        for (var i = 0; i < rows.Length; i++)
        {
            keys[i] = Name(rows[i].Id.Key);
            if (!times.TryGetValue(rows[i].Id.Time, out var time))
            {
                times.Add(rows[i].Id.Time, time = Name(rows[i].Id.Time));
            }

            var a = rows[i].Amounts;
            sql.Append(i == 0 ? "" : ", ")
                .Append(CultureInfo.InvariantCulture, $"({keys[i]}, {time}, {a.Count}, {a.CountRcpt}, {a.Size}, {a.SizeRcpt})");
        }

        sql.Append(rows[0].Absolute ? s_set : s_add);
        if (returns)
        {
            sql.Append(CultureInfo.InvariantCulture, $" RETURNING {answer}, `key`, `time`, {Columns}; ");
            return;
        }

        sql.Append("; ");
        foreach (var (time, name) in times)
        {
            var ofTime = times.Count == 1 ? keys : keys.Where((_, i) => rows[i].Id.Time == time);
            sql.Append(
                CultureInfo.InvariantCulture,
                $"SELECT {answer}, `key`, `time`, {Columns} FROM {Quote(table)} WHERE `time` = {name} AND `key` IN "
                    + $"({string.Join(',', ofTime)}); ");
        }

        string Name(string value) =>
            command.Bind("@v" + command.Parameters.Count.ToString(CultureInfo.InvariantCulture), value).ParameterName;
    }

    private async Task<List<(string Time, CounterAmounts Total)>> ReadOneAsync(
        DbConnection connection, string table, string key, CounterTimeRange times, CancellationToken ct)
    {
        using var command = connection.Command(
            $"SELECT `time`, {Columns} FROM {Quote(table)} WHERE `key` = @key AND `time` BETWEEN @from AND @to",
            ("@key", key),
            ("@from", times.From),
            ("@to", times.To));
        var rows = new List<(string, CounterAmounts)>();
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            rows.Add((reader.GetString(0), Amounts(reader, 1)));
        }

        return rows;
    }

    protected override async Task<CounterTableInfo> InfoAsync(
        DbConnection connection, string table, IReadOnlyList<string> done, CancellationToken ct)
    {
        var (collation, charset, length) = await KeyColumnAsync(connection, table, ct).ConfigureAwait(false);
        var repertoire = charset switch
        {
            "utf8mb4" => TextRepertoire.Unicode,
            "utf8" or "utf8mb3" => TextRepertoire.BasicPlane,
            "latin1" => TextRepertoire.Latin1,
            _ => TextRepertoire.Ascii,
        };
        if (!_foldings.TryGetValue(collation, out var learned))
        {
            learned = await MySqlKeyFolding.LearnAsync(connection, Quote(charset), collation, Quote(collation), repertoire, ct)
                .ConfigureAwait(false);
            _foldings[collation] = learned;
        }

        return new CounterTableInfo(table, learned.Folding, length, repertoire, done)
        {
            Warnings = learned.Pairs is null
                ? []
                : [$"collation {collation} of a counter table treats some pairs of letters as one letter "
                    + $"({learned.Pairs}); such keys share one row "
                    + "but have two counters, so a quota may admit too many mails; to prevent this, use COLLATE "
                    + "utf8mb4_bin for the column key"],
        };
    }

    private static async Task<(string Collation, string Charset, int Length)> KeyColumnAsync(
        DbConnection connection, string table, CancellationToken ct)
    {
        using var command = connection.Command(
            "SELECT collation_name, character_set_name, character_maximum_length FROM information_schema.columns WHERE table_schema = "
                + "DATABASE() AND table_name = @table AND column_name = 'key'",
            ("@table", table));
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        if (!await reader.ReadAsync(ct).ConfigureAwait(false) || reader.IsDBNull(0))
        {
            throw new CounterStoreException(
                CounterStoreFailure.Schema, $"table {table} is not a counter table: it has no text column 'key'");
        }

        return (
            reader.GetString(0),
            reader.GetString(1),
            (int)Math.Min(Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture), CounterKeyText.MaxLength));
    }

    private async Task<IReadOnlyList<(string Done, string Sql)>> StepsAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var name = Quote(table);
        var engine = await ScalarAsync(
            connection,
            "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = @table",
            table,
            ct).ConfigureAwait(false);
        if (engine is null)
        {
            return
            [
                ($"table {table}: created",
                    $"CREATE TABLE IF NOT EXISTS {name} (`key` varchar(255) NOT NULL, `time` varchar(255) NOT NULL, count bigint NOT "
                    + $"NULL, count_rcpt bigint NOT NULL, "
                    + "size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY (`key`, `time`)) ENGINE=InnoDB CHARACTER SET utf8mb4 "
                    + "COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC"),
            ];
        }

        // One ALTER, so that a large table is copied once.
        var steps = new List<(string Done, string Sql)>();
        var (done, changes) = (new List<string>(), new List<string>());
        if (!string.Equals(engine, "InnoDB", StringComparison.OrdinalIgnoreCase))
        {
            done.Add($"engine changed from {engine}, which has no transactions, to InnoDB");
            changes.Add("ENGINE=InnoDB ROW_FORMAT=DYNAMIC");
        }

        var narrow = await ScalarAsync(
            connection,
            "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = "
            + "DATABASE() AND table_name = @table "
            + "AND column_name IN ('id', 'count', 'count_rcpt', 'size', 'size_rcpt') AND data_type <> 'bigint'",
            table,
            ct).ConfigureAwait(false);
        if (narrow is not null)
        {
            // The id too: every upsert takes one of its numbers, and 32 bits of them would be gone in weeks.
            done.Add($"columns widened to 64 bits: {narrow.Replace(",", ", ", StringComparison.Ordinal)}");
            changes.AddRange(
                narrow.Split(',').Select(column => $"MODIFY {Quote(column)} bigint NOT NULL{(column == "id" ? " AUTO_INCREMENT" : "")}"));
        }

        if (changes.Count > 0)
        {
            steps.Add(($"table {table}: {string.Join("; ", done)}", $"ALTER TABLE {name} {string.Join(", ", changes)}"));
        }

        var unique = await ScalarAsync(
            connection,
            "SELECT MAX(cols) FROM (SELECT GROUP_CONCAT(column_name ORDER BY column_name) AS cols FROM information_schema.statistics "
            + "WHERE table_schema = DATABASE() AND table_name = @table AND non_unique = 0 AND sub_part IS NULL GROUP BY index_name) AS "
            + "keys_of_table WHERE cols = 'key,time'",
            table,
            ct).ConfigureAwait(false);
        if (unique is null)
        {
            steps.Add(
                ($"table {table}: duplicate rows of one key and time merged, and a unique key on key and time added", MergeTwins(name)));
        }

        return steps;
    }

    // Interrupted between COMMIT and ALTER it leaves a table without twins, and the next run adds the key.
    private static string MergeTwins(string name)
    {
        var sums = string.Join(", ", Metrics.Select(m => $"SUM({m}) AS {m}"));
        var sets = string.Join(", ", Metrics.Select(m => $"kept.{m} = one.{m}"));
        return "START TRANSACTION; DROP TEMPORARY TABLE IF EXISTS policyd_merged; "
            + $"CREATE TEMPORARY TABLE policyd_merged AS SELECT MIN(id) AS id, `key`, `time`, {sums} FROM {name} GROUP BY "
            + $"`key`, `time` HAVING COUNT(*) > 1; "
            + $"UPDATE {name} AS kept JOIN policyd_merged AS one ON kept.id = one.id SET {sets}; "
            + $"DELETE extra FROM {name} AS extra JOIN policyd_merged AS one ON extra.`key` = one.`key` AND extra.`time` = "
            + $"one.`time` WHERE extra.id <> one.id; "
            + $"COMMIT; DROP TEMPORARY TABLE policyd_merged; ALTER TABLE {name} ADD UNIQUE KEY time_key (`key`, `time`)";
    }
}

/// <summary>Finds, by the text that a table gave back, the names by which a key was asked for.</summary>
internal sealed class FoldedKeys(CounterTableInfo table, IEnumerable<KeyValuePair<string, List<string>>> asked)
{
    private readonly Dictionary<string, List<string>> _byText = asked.ToDictionary(StringComparer.Ordinal);
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private bool _strange;

    /// <summary>
    /// The keys that must be asked for one by one: no row came back under their text, but one may exist that the table's collation
    /// takes for them (<c>jose</c> for <c>josé</c>).
    /// </summary>
    public IEnumerable<KeyValuePair<string, List<string>>> Doubtful =>
        table.Folding.JoinsSpellings
            ? _byText.Where(key => !_taken.Contains(key.Key) && (_strange || !System.Text.Ascii.IsValid(key.Key)))
            : [];

    public List<string> Take(string text)
    {
        var key = _byText.ContainsKey(text) ? text : CounterKeyText.ForTable(text, table);
        if (_byText.TryGetValue(key, out var names))
        {
            _taken.Add(key);
            return names;
        }

        _strange = true;
        return [];
    }
}
