using System.Data.Common;
using System.Globalization;
using System.Text;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>
/// Counter tables in MySQL and MariaDB: a multi-row upsert, then a SELECT of the totals in the same transaction. mtpolicyd's tables are
/// MyISAM, which knows no transactions, with 32-bit columns; both are changed, and mtpolicyd can go on writing them.
/// </summary>
internal sealed class MySqlCounterStore(MySqlDatabase database) : SqlCounterStore(database)
{
    private const string Most = "9223372036854775807";

    protected override Task CreateCommitsAsync(DbConnection connection, CancellationToken ct) =>
        ExecuteAsync(
            connection,
            "CREATE TABLE IF NOT EXISTS policyd_commits (node char(32) NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, ids longblob NOT NULL, PRIMARY KEY (node, seq), KEY policyd_commits_at (at)) ENGINE=InnoDB CHARACTER SET ascii",
            ct);

    protected override async Task<CounterTableInfo> TakeOverAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var steps = await StepsAsync(connection, table, ct).ConfigureAwait(false);
        foreach (var (_, sql) in steps)
        {
            await ExecuteAsync(connection, sql, ct).ConfigureAwait(false);
        }

        await using var command = Command(
            connection,
            "SELECT collation_name, character_set_name, character_maximum_length FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = @table AND column_name = 'key'");
        command.Bind("@table", table);
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await reader.ReadAsync(ct).ConfigureAwait(false);
        var ignoresCase = reader.GetString(0).EndsWith("_ci", StringComparison.Ordinal);
        var repertoire = reader.GetString(1) switch
        {
            "utf8mb4" => TextRepertoire.Unicode,
            "utf8" or "utf8mb3" => TextRepertoire.BasicPlane,
            "latin1" => TextRepertoire.Latin1,
            _ => TextRepertoire.Ascii,
        };
        return new CounterTableInfo(table, ignoresCase, (int)Math.Min(Convert.ToInt64(reader.GetValue(2), CultureInfo.InvariantCulture), CounterKeyText.MaxLength), repertoire, [.. steps.Select(step => step.Done)]);
    }

    protected override async Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct) =>
        [.. (await StepsAsync(connection, table, ct).ConfigureAwait(false)).Select(step => step.Done)];

    protected override async Task<IReadOnlyList<CounterRow>> WriteAsync(
        DbConnection connection, DbTransaction transaction, string table, IReadOnlyList<RowChange> changes, CancellationToken ct)
    {
        var rows = new List<CounterRow>(changes.Count);
        foreach (var absolute in new[] { false, true })
        {
            foreach (var chunk in changes.Where(change => change.Absolute == absolute).Chunk(RowsOfAStatement))
            {
                await UpsertAsync(connection, transaction, table, chunk, absolute, ct).ConfigureAwait(false);
                await ReadBackAsync(connection, transaction, table, chunk, rows, ct).ConfigureAwait(false);
            }
        }

        return rows;
    }

    protected override async Task<long> DeletePagesAsync(DbConnection connection, string table, string condition, string value, CancellationToken ct)
    {
        var deleted = 0L;
        while (true)
        {
            await using var command = Command(connection, $"DELETE FROM {Quote(table)} WHERE {condition} LIMIT 1000");
            command.Bind("@value", value);
            var page = await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            deleted += page;
            if (page == 0)
            {
                return deleted;
            }
        }
    }

    private async Task UpsertAsync(DbConnection connection, DbTransaction transaction, string table, RowChange[] changes, bool absolute, CancellationToken ct)
    {
        var sql = new StringBuilder($"INSERT INTO {Quote(table)} (`key`, `time`, `count`, `count_rcpt`, `size`, `size_rcpt`) VALUES ");
        await using var command = Command(connection, string.Empty, transaction);
        for (var index = 0; index < changes.Length; index++)
        {
            var change = changes[index];
            sql.Append(index == 0 ? string.Empty : ", ").Append(CultureInfo.InvariantCulture, $"(@k{index}, @t{index}, @a{index}, @b{index}, @c{index}, @d{index})");
            command.Bind($"@k{index}", change.Key);
            command.Bind($"@t{index}", change.Time);
            command.Bind($"@a{index}", change.Amounts.Count);
            command.Bind($"@b{index}", change.Amounts.CountRcpt);
            command.Bind($"@c{index}", change.Amounts.Size);
            command.Bind($"@d{index}", change.Amounts.SizeRcpt);
        }

        // VALUES() is what both MySQL and MariaDB understand.
        var sets = Sums.Select(sum => absolute
            ? $"`{sum}` = VALUES(`{sum}`)"
            : $"`{sum}` = IF(VALUES(`{sum}`) > 0 AND `{sum}` > {Most} - VALUES(`{sum}`), {Most}, `{sum}` + VALUES(`{sum}`))");
        sql.Append(CultureInfo.InvariantCulture, $" ON DUPLICATE KEY UPDATE {string.Join(", ", sets)}");
#pragma warning disable CA2100 // Identifiers are quoted, values are bound.
        command.CommandText = sql.ToString();
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private async Task ReadBackAsync(
        DbConnection connection, DbTransaction transaction, string table, RowChange[] changes, List<CounterRow> rows, CancellationToken ct)
    {
        var sql = new StringBuilder($"SELECT `key`, `time`, `count`, `count_rcpt`, `size`, `size_rcpt` FROM {Quote(table)} WHERE (`key`, `time`) IN (");
        await using var command = Command(connection, string.Empty, transaction);
        for (var index = 0; index < changes.Length; index++)
        {
            sql.Append(index == 0 ? string.Empty : ", ").Append(CultureInfo.InvariantCulture, $"(@k{index}, @t{index})");
            command.Bind($"@k{index}", changes[index].Key);
            command.Bind($"@t{index}", changes[index].Time);
        }

#pragma warning disable CA2100 // Identifiers are quoted, values are bound.
        command.CommandText = sql.Append(')').ToString();
#pragma warning restore CA2100

        // The table may hold the key in another case than we wrote it.
        var byRow = changes.ToDictionary(change => (change.Key, change.Time));
        var byFolded = changes.ToLookup(change => (change.Key.ToUpperInvariant().TrimEnd(), change.Time));
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            var (key, time, total) = (reader.GetString(0), reader.GetString(1), ReadSums(reader, 2));
            var meant = byRow.TryGetValue((key, time), out var exact) ? [exact] : byFolded[(key.ToUpperInvariant().TrimEnd(), time)];
            rows.AddRange(meant.Select(change => new CounterRow(change.AsWritten, time, total)));
        }
    }

    private async Task<IReadOnlyList<(string Done, string Sql)>> StepsAsync(DbConnection connection, string table, CancellationToken ct)
    {
        var name = Quote(table);
        var engine = await ScalarAsync(connection, "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = @table", table, ct).ConfigureAwait(false);
        if (engine is null)
        {
            return
            [
                ($"table {table}: created",
                    $"CREATE TABLE IF NOT EXISTS {name} (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` varchar(255) NOT NULL, `time` varchar(255) NOT NULL, "
                    + "`count` bigint NOT NULL, `count_rcpt` bigint NOT NULL, `size` bigint NOT NULL, `size_rcpt` bigint NOT NULL, "
                    + "UNIQUE KEY time_key (`key`, `time`), KEY `time` (`time`)) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC"),
            ];
        }

        var steps = new List<(string Done, string Sql)>();
        if (!string.Equals(engine, "InnoDB", StringComparison.OrdinalIgnoreCase))
        {
            steps.Add(($"table {table}: its engine {engine} knows no transactions and was changed to InnoDB", $"ALTER TABLE {name} ENGINE=InnoDB ROW_FORMAT=DYNAMIC"));
        }

        var narrow = await ScalarAsync(
            connection,
            "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = @table "
            + "AND column_name IN ('id', 'count', 'count_rcpt', 'size', 'size_rcpt') AND data_type <> 'bigint'",
            table,
            ct).ConfigureAwait(false);
        if (narrow is not null)
        {
            // The id too: every upsert takes one of its numbers, and 32 bits of them would be gone in weeks.
            var columns = narrow.Split(',').Select(column => $"MODIFY {Quote(column)} bigint NOT NULL{(column == "id" ? " AUTO_INCREMENT" : string.Empty)}");
            steps.Add(($"table {table}: widened to 64 bits: {narrow.Replace(",", ", ", StringComparison.Ordinal)}", $"ALTER TABLE {name} {string.Join(", ", columns)}"));
        }

        var unique = await ScalarAsync(
            connection,
            "SELECT MAX(cols) FROM (SELECT GROUP_CONCAT(column_name ORDER BY column_name) AS cols FROM information_schema.statistics "
            + "WHERE table_schema = DATABASE() AND table_name = @table AND non_unique = 0 GROUP BY index_name) AS keys_of_table WHERE cols = 'key,time'",
            table,
            ct).ConfigureAwait(false);
        if (unique is null)
        {
            var sums = string.Join(", ", Sums.Select(sum => $"kept.`{sum}` = twins.`{sum}`"));
            var groups = $"SELECT MIN(id) AS id, `key`, `time`, {string.Join(", ", Sums.Select(sum => $"SUM(`{sum}`) AS `{sum}`"))} FROM {name} GROUP BY `key`, `time` HAVING COUNT(*) > 1";
            steps.Add((
                $"table {table}: rows that stood twice were added to their first, and a unique key on key and time was added",
                $"START TRANSACTION; UPDATE {name} AS kept JOIN ({groups}) AS twins ON kept.id = twins.id SET {sums}; "
                + $"DELETE extra FROM {name} AS extra JOIN {name} AS first ON extra.`key` = first.`key` AND extra.`time` = first.`time` AND extra.id > first.id; COMMIT; "
                + $"ALTER TABLE {name} ADD UNIQUE KEY time_key (`key`, `time`)"));
        }

        return steps;
    }

    private static async Task<string?> ScalarAsync(DbConnection connection, string sql, string table, CancellationToken ct)
    {
        await using var command = Command(connection, sql);
        command.Bind("@table", table);
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) as string;
    }
}
