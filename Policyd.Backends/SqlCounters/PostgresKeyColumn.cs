using System.Globalization;
using Npgsql;
using Policyd.Backends.Schema;
using Policyd.Counting.Store;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// The column <c>key</c> of a counter table in PostgreSQL: which keys it takes for one. Nearly always a varchar of a deterministic
/// collation, for which keys are equal when their characters are. char(n) does not count spaces at the end, citext compares in lower case,
/// and a nondeterministic collation compares as ICU does.
/// </summary>
/// <param name="Type">The type as which a key is compared.</param>
/// <param name="Length">The longest key it holds, in characters.</param>
/// <param name="Folding">Which keys are one.</param>
/// <param name="Warning">What is not known of it; null when all is.</param>
internal sealed record PostgresKeyColumn(string Type, int Length, KeyFolding Folding, string? Warning)
{
    public static async Task<PostgresKeyColumn> LearnAsync(
        NpgsqlConnection connection, string table, TextRepertoire repertoire, CancellationToken ct)
    {
        string type, name, collation;
        int length;
        bool deterministic;
        // Read as JSON, since servers before 12 have no such column and no such collations.
        using var command = new NpgsqlCommand(
            "SELECT t.typname, t.oid::regtype::text, a.atttypmod, COALESCE((to_jsonb(c) ->> 'collisdeterministic')::boolean, true), "
            + "COALESCE(quote_ident(n.nspname) || '.' || quote_ident(c.collname), '') "
            + "FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_collation AS c ON c.oid = a.attcollation LEFT "
            + "JOIN pg_namespace AS n ON n.oid = c.collnamespace "
            + $"WHERE a.attrelid = {SchemaLook.PostgresTable("$1")} AND a.attname = 'key' AND NOT a.attisdropped",
            connection)
        {
            Parameters = { new() { Value = table } },
        };
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            if (!await reader.ReadAsync(ct).ConfigureAwait(false))
            {
                throw new CounterStoreException(
                    CounterStoreFailure.Schema, $"table {table} is not a counter table: it has no column key");
            }

            (type, name, deterministic, collation) = (reader.GetString(0), reader.GetString(1), reader.GetBoolean(3), reader.GetString(4));
            // Of char(n) and varchar(n) the modifier is n and the length of a header.
            length = reader.GetInt32(2) > 4 ? Math.Min(reader.GetInt32(2) - 4, CounterKeyText.MaxLength) : CounterKeyText.MaxLength;
        }

        if (type == "citext")
        {
            var lower = await ReadAsync(
                connection,
                $"SELECT n, lower(chr(n)) FROM {Characters(repertoire)} WHERE lower(chr(n)) <> chr(n)",
                ct).ConfigureAwait(false);
            return new PostgresKeyColumn(name, length, KeyFolding.Of(lower, ignoresTrailingSpaces: false), null);
        }

        if (!deterministic)
        {
            var weights = await ReadAsync(
                connection,
                $"SELECT n, CASE WHEN chr(n) COLLATE {collation} = '' THEN '' ELSE lpad(to_hex(dense_rank() OVER (ORDER BY chr(n) COLLATE "
                    + $"{collation})), 8, '0') END FROM {Characters(repertoire)}",
                ct).ConfigureAwait(false);
            return new PostgresKeyColumn(
                "text",
                length,
                KeyFolding.OfWeights(weights, ignoresTrailingSpaces: false, hasLevels: true),
                $"the collation {collation} of its column key is not deterministic: policyd knows which single characters are equal, but "
                    + $"not which character equals several "
                    + "(\u00df and ss); such keys share one row but have two counters, so a quota may admit too many mails; to prevent "
                    + "this, use a deterministic collation such as \"C\"");
        }

        return type == "bpchar"
            ? new PostgresKeyColumn("bpchar", length, KeyFolding.TrailingSpaces, null)
            : new PostgresKeyColumn("text", length, KeyFolding.Exact, null);
    }

    private static string Characters(TextRepertoire repertoire)
    {
        var last = repertoire switch { TextRepertoire.Unicode => 0x1FFFF, TextRepertoire.Latin1 => 0xFF, _ => 0x7F };
        return string.Create(
            CultureInfo.InvariantCulture,
            $"(SELECT n FROM generate_series(1, {last}) AS n WHERE n NOT BETWEEN 55296 AND 57343) AS characters");
    }

    private static async Task<List<(int, string)>> ReadAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        var rows = new List<(int, string)>();
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            rows.Add((reader.GetInt32(0), reader.GetString(1)));
        }

        return rows;
    }
}
