using Microsoft.Data.Sqlite;
using Policyd.Counting.Memory;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// A shelf in a database of SQLite's that has no name: SQLite keeps it in a file in the folder for temporary files, which is gone with this
/// process, however that ends.
/// </summary>
public sealed class TemporaryCounterShelf : ICounterShelf, IDisposable
{
    private const string Columns = "count, count_rcpt, size, size_rcpt";
    private const int CacheKiB = 16 * 1024;
    private readonly SqliteConnection _connection = new("Data Source=;Pooling=False");
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _find;

    /// <summary>Makes an empty one.</summary>
    public TemporaryCounterShelf()
    {
        _connection.Open();
        using var make = _connection.CreateCommand();
        make.CommandText = $"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CacheKiB}; "
            + $"CREATE TABLE rows (key text, time text, name text, db text, {Columns}, PRIMARY KEY (key, time, name, db)) WITHOUT ROWID";
        make.ExecuteNonQuery();
        string[] ofRow = ["@key", "@name", "@db", "@time", "@count", "@count_rcpt", "@size", "@size_rcpt"];
        _put = Prepared(
            $"INSERT OR REPLACE INTO rows (key, name, db, time, {Columns}) VALUES ({string.Join(", ", ofRow)})", ofRow);
        _find = Prepared(
            $"SELECT time, {Columns} FROM rows WHERE key = @key AND name = @name AND db = @db AND time BETWEEN @from AND @to",
            "@key",
            "@name",
            "@db",
            "@from",
            "@to");
    }

    /// <inheritdoc/>
    public void Put(IEnumerable<KeyValuePair<CounterKey, IReadOnlyDictionary<string, CounterAmounts>>> counters)
    {
        ArgumentNullException.ThrowIfNull(counters);
        using var transaction = _connection.BeginTransaction();
        _put.Transaction = transaction;
        foreach (var (key, rows) in counters)
        {
            foreach (var (time, amounts) in rows)
            {
                Bind(_put, key.Key, key.Table, key.Connection, time, amounts.Count, amounts.CountRcpt, amounts.Size, amounts.SizeRcpt);
                _put.ExecuteNonQuery();
            }
        }

        transaction.Commit();
    }

    /// <inheritdoc/>
    public IReadOnlyList<CounterRow> Rows(CounterKey key, CounterTimeRange times)
    {
        Bind(_find, key.Key, key.Table, key.Connection, times.From, times.To);
        using var reader = _find.ExecuteReader();
        var rows = new List<CounterRow>();
        while (reader.Read())
        {
            rows.Add(new CounterRow(
                key.Key,
                reader.GetString(0),
                new CounterAmounts(reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4))));
        }

        return rows;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _put.Dispose();
        _find.Dispose();
        _connection.Dispose();
    }

    private SqliteCommand Prepared(string sql, params IEnumerable<string> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new SqliteParameter(parameter, null));
        }

        return command;
    }

    private static void Bind(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (var index = 0; index < values.Length; index++)
        {
            command.Parameters[index].Value = values[index];
        }
    }
}
