using System.Data;
using System.Data.Common;
using System.Text;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Sql;
using SQLitePCL;

namespace Policyd.Backends.Sql;

/// <summary>
/// The first rows of a statement's answer, and no more of them than <see cref="SqlRow.MostCharacters"/>. PostgreSQL's driver reads a column
/// piece by piece, SQLite is told the bound before it makes the row. MySQL's driver has the row in memory before anybody sees it, so that
/// there the server's <c>max_allowed_packet</c> is the bound of memory.
/// </summary>
internal sealed class BoundedRows(int mostRows, int mostColumns)
{
    private int _left = SqlRow.MostCharacters;

    /// <summary>Runs the statement.</summary>
    /// <exception cref="InvalidDataException">The rows hold more than <see cref="SqlRow.MostCharacters"/>.</exception>
    public async Task<IReadOnlyList<SqlRow>> ReadAsync(DbCommand command, CancellationToken ct)
    {
        // For this connection, and only until it goes back to the pool: counters and tickets share it.
        var sqlite = (command.Connection as SqliteConnection)?.Handle;
        var before = sqlite is null
            ? 0
            : raw.sqlite3_limit(sqlite, raw.SQLITE_LIMIT_LENGTH, SqlRow.MostCharacters + command.CommandText.Length);
        try
        {
            var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, ct).ConfigureAwait(false);
            await using var _ = reader.ConfigureAwait(false);
            return await AllAsync(reader, ct).ConfigureAwait(false);
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

    private async Task<IReadOnlyList<SqlRow>> AllAsync(DbDataReader reader, CancellationToken ct)
    {
        var rows = new List<SqlRow>();
        string[]? names = null;
        while (rows.Count < mostRows && await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            names ??= [.. Enumerable.Range(0, Math.Min(mostColumns, reader.FieldCount)).Select(reader.GetName)];
            var values = new object?[names.Length];
            for (var column = 0; column < values.Length; column++)
            {
                values[column] = await ValueAsync(reader, column, ct).ConfigureAwait(false);
            }

            rows.Add(new SqlRow(names, values));
        }

        return rows;
    }

    private async Task<object?> ValueAsync(DbDataReader reader, int column, CancellationToken ct)
    {
        if (await reader.IsDBNullAsync(column, ct).ConfigureAwait(false))
        {
            return null;
        }

        if (reader is SqliteDataReader)
        {
            // Not as a stream: with two columns that are expressions the driver asks SQLite about a table without a name, and the process
            // ends. The bound was told before.
            var value = reader.GetValue(column);
            Take(value switch { string text => text.Length, byte[] bytes => bytes.Length, _ => 0 });
            return value;
        }

        var type = reader.GetFieldType(column);
        if (type == typeof(string))
        {
            using var text = reader.GetTextReader(column);
            return await TextAsync(text, ct).ConfigureAwait(false);
        }

        if (type == typeof(byte[]))
        {
            // A text column of MySQL's with a binary collation comes as bytes as well.
            using var bytes = reader.GetStream(column);
            return await BytesAsync(bytes, ct).ConfigureAwait(false);
        }

        return reader.GetValue(column);
    }

    private async Task<string> TextAsync(TextReader text, CancellationToken ct)
    {
        var piece = new char[4096];
        var all = new StringBuilder();
        while (await text.ReadAsync(piece, ct).ConfigureAwait(false) is > 0 and var count)
        {
            Take(count);
            all.Append(piece, 0, count);
        }

        return all.ToString();
    }

    private async Task<byte[]> BytesAsync(Stream bytes, CancellationToken ct)
    {
        var piece = new byte[4096];
        using var all = new MemoryStream();
        while (await bytes.ReadAsync(piece, ct).ConfigureAwait(false) is > 0 and var count)
        {
            Take(count);
            all.Write(piece, 0, count);
        }

        return all.ToArray();
    }

    private void Take(int count)
    {
        if ((_left -= count) < 0)
        {
            throw TooLong(null);
        }
    }

    private InvalidDataException TooLong(Exception? cause) => new(
        $"{(mostColumns == 1 ? "the first column of the row" : "the answer")} holds more than {SqlRow.MostCharacters} characters", cause);
}
