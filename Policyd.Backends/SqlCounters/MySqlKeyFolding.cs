using System.Data.Common;
using System.Globalization;
using Policyd.Counting.Store;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// Learns from a MySQL or MariaDB server which keys a column's collation takes for one: the weight of each character that the column can
/// hold, in one query of less than a second. Only the server knows them, and they differ between its versions.
/// </summary>
internal static class MySqlKeyFolding
{
    private const string Digit =
        "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION "
        + "ALL SELECT 6 UNION ALL SELECT 7 "
        + "UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10 UNION ALL SELECT 11 UNION ALL SELECT 12 UNION ALL SELECT 13 UNION ALL "
        + "SELECT 14 UNION ALL SELECT 15)";

    /// <summary>The folding, and the pairs of letters that the collation takes for a letter of its own.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="charset">The column's character set, quoted.</param>
    /// <param name="collation">The column's collation, by name.</param>
    /// <param name="quoted">The same, quoted.</param>
    /// <param name="repertoire">The characters that the column can hold.</param>
    /// <param name="ct">Ends the wait.</param>
    public static async Task<(KeyFolding Folding, string? Pairs)> LearnAsync(
        DbConnection connection, string charset, string collation, string quoted, TextRepertoire repertoire, CancellationToken ct)
    {
        var pads = await ScalarAsync(
            connection,
            $"SELECT CONVERT('a' USING {charset}) = CONVERT('a ' USING {charset}) COLLATE {quoted}",
            ct).ConfigureAwait(false) == "1";
        if (collation.EndsWith("_bin", StringComparison.Ordinal))
        {
            return (pads ? KeyFolding.TrailingSpaces : KeyFolding.Exact, null);
        }

        // What tells case apart but no accents compares otherwise than its weights say. Without case more keys are one, and each still has
        // one owner.
        quoted = quoted.Replace("_ai_cs", "_ai_ci", StringComparison.Ordinal);
        var hasLevels = collation.Contains("_as_", StringComparison.Ordinal);
        var weights = new List<(int, string)>();
        using (var command = connection.CreateCommand())
        {
            command.CommandText = WeightsOf(charset, quoted, repertoire);
            command.CommandTimeout = 0;
            var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var _ = reader.ConfigureAwait(false);
            while (await reader.ReadAsync(ct).ConfigureAwait(false))
            {
                weights.Add((
                    Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture),
                    Units(reader.IsDBNull(1) ? "" : reader.GetString(1), hasLevels)));
            }
        }

        return (
            KeyFolding.OfWeights(weights, pads, hasLevels),
            hasLevels ? null : await ScalarAsync(connection, PairsOf(charset, quoted), ct).ConfigureAwait(false));
    }

    // Without sequences and recursion, which only some versions know. Surrogates are no characters; the last range are ideographs that
    // stand for others.
    private static string WeightsOf(string charset, string collation, TextRepertoire repertoire)
    {
        var held = repertoire switch
        {
            TextRepertoire.Unicode => "n < 131072 OR n BETWEEN 194560 AND 195103",
            TextRepertoire.BasicPlane => "n < 65536",
            TextRepertoire.Latin1 => "n < 128 OR n BETWEEN 160 AND 255",
            _ => "n < 128",
        };
        return $"SELECT n, HEX(WEIGHT_STRING(CONVERT(CONVERT(UNHEX(LPAD(HEX(n), 8, '0')) USING utf32) USING "
            + $"{charset}) COLLATE {collation})) "
            + $"FROM (SELECT a.d + 16 * b.d + 256 * c.d + 4096 * e.d + 65536 * f.d AS n FROM {Digit} AS a, {Digit} AS b, {Digit} AS c, "
            + $"{Digit} AS e, {Digit} AS f WHERE f.d < 3) AS numbers "
            + $"WHERE n NOT BETWEEN 55296 AND 57343 AND ({held})";
    }

    // Danish aa is å, Czech ch a letter between h and i: their weights are not those of the two letters.
    private static string PairsOf(string charset, string collation)
    {
        const string Letters = $"(SELECT 97 + x.d + 16 * y.d AS n FROM {Digit} AS x, {Digit} AS y WHERE x.d + 16 * y.d < 26)";
        string Weight(string text) => $"HEX(WEIGHT_STRING(CONVERT({text} USING {charset}) COLLATE {collation}))";
        return $"SELECT GROUP_CONCAT(CONCAT(p, q) ORDER BY p, q SEPARATOR ' ') FROM (SELECT CHAR(one.n USING ascii) AS p, CHAR(two.n USING "
            + $"ascii) AS q FROM {Letters} AS one, {Letters} AS two) AS pairs "
            + $"WHERE {Weight("CONCAT(p, q)")} <> CONCAT({Weight("p")}, {Weight("q")})";
    }

    // MySQL puts a zero between two levels, MariaDB does not.
    private static string Units(string weight, bool hasLevels) =>
        hasLevels
            ? string.Concat(weight.Chunk(4).Where(static unit => unit is not ['0', '0', '0', '0']).Select(static unit => new string(unit)))
            : weight;

    private static async Task<string?> ScalarAsync(DbConnection connection, string sql, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is { } value and not DBNull
            ? Convert.ToString(value, CultureInfo.InvariantCulture)
            : null;
    }
}
