using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Policyd.Tests.Support;

/// <summary>
/// Statements on a SQLite file, each over a connection of its own, so that nothing stays open or is remembered between them.
/// </summary>
internal static class SqliteFile
{
    public static void Execute(string file, string sql)
    {
        using var connection = Open(file);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>
    /// The rows as text, a line each, columns separated by <paramref name="separator"/>. <c>@key</c> in the query is the key.
    /// </summary>
    public static IReadOnlyList<string> Rows(string file, string query, string? key = null, char separator = '|')
    {
        using var connection = Open(file);
        using var command = connection.CreateCommand();
        command.CommandText = query;
        command.Parameters.AddWithValue("@key", key ?? string.Empty);
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
        {
            rows.Add(string.Join(
                separator,
                Enumerable.Range(0, reader.FieldCount).Select(at => Convert.ToString(reader.GetValue(at), CultureInfo.InvariantCulture))));
        }

        return rows;
    }

    /// <summary>The one number that a query finds; 0 where it finds nothing.</summary>
    public static long Number(string file, string query, string? key = null) =>
        Rows(file, query, key) is [{ Length: > 0 } number] ? long.Parse(number, CultureInfo.InvariantCulture) : 0;

    private static SqliteConnection Open(string file)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }
}
