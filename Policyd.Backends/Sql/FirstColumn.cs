using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Policyd.Backends.Sql;

/// <summary>
/// The first column of a statement's first row, as text, and no more of it than settings of a user need. PostgreSQL's driver reads the
/// column piece by piece, SQLite is told the bound before it makes the row. MySQL's driver has the row in memory before anybody sees it, so
/// that there the server's
/// <c>max_allowed_packet</c> is the bound of memory.
/// </summary>
internal static class FirstColumn
{
    /// <summary>The most characters, or bytes, that are read.</summary>
    public const int Most = 1_000_000;

    /// <summary>Runs the statement; null when there is no row, or the column is NULL.</summary>
    /// <exception cref="InvalidDataException">The column holds more than <see cref="Most"/>.</exception>
    public static async Task<string?> ReadAsync(DbCommand command, CancellationToken ct)
    {
        // For this connection, and only until it goes back to the pool: counters and tickets share it.
        var sqlite = (command.Connection as SqliteConnection)?.Handle;
        var before = sqlite is null ? 0 : raw.sqlite3_limit(sqlite, raw.SQLITE_LIMIT_LENGTH, Most + command.CommandText.Length);
        try
        {
            var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, ct).ConfigureAwait(false);
            await using var _ = reader.ConfigureAwait(false);
            return await reader.ReadAsync(ct).ConfigureAwait(false) && reader.FieldCount > 0
                ? await TextAsync(reader, ct).ConfigureAwait(false)
                : null;
        }
        catch (SqliteException e) when (e.SqliteErrorCode == raw.SQLITE_TOOBIG)
        {
            throw TooLong(e);
        }
        finally
        {
            if (sqlite is not null)
            {
                raw.sqlite3_limit(sqlite, raw.SQLITE_LIMIT_LENGTH, before);
            }
        }
    }

    private static async Task<string?> TextAsync(DbDataReader reader, CancellationToken ct)
    {
        if (await reader.IsDBNullAsync(0, ct).ConfigureAwait(false))
        {
            return null;
        }

        var type = reader.GetFieldType(0);
        if (type == typeof(string))
        {
            using var text = reader.GetTextReader(0);
            return await TextAsync(text, ct).ConfigureAwait(false);
        }

        if (type == typeof(byte[]))
        {
            // A column of MySQL's with a binary collation comes as bytes.
            using var text = new StreamReader(reader.GetStream(0), Encoding.UTF8, detectEncodingFromByteOrderMarks: false);
            return await TextAsync(text, ct).ConfigureAwait(false);
        }

        return Convert.ToString(reader.GetValue(0), CultureInfo.InvariantCulture);
    }

    private static async Task<string> TextAsync(TextReader text, CancellationToken ct)
    {
        var piece = new char[4096];
        var all = new StringBuilder();
        while (await text.ReadAsync(piece, ct).ConfigureAwait(false) is > 0 and var count)
        {
            if (all.Append(piece, 0, count).Length > Most)
            {
                throw TooLong(null);
            }
        }

        return all.ToString();
    }

    private static InvalidDataException TooLong(Exception? cause) =>
        new(string.Create(CultureInfo.InvariantCulture, $"the first column of the row holds more than {Most} characters"), cause);
}
