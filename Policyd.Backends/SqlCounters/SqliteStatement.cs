using System.Text;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Counters;
using SQLitePCL;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// A prepared statement on SQLite's own interface. A statement runs for each row of a commit, and the objects that ADO.NET
/// makes for every run cost as much as the row itself.
/// </summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private byte[] _utf8 = new byte[256];
    private string? _again;

    public SqliteStatement(SqliteConnection connection, string sql)
    {
        _database = connection.Handle!;
        Check(raw.sqlite3_prepare_v3(_database, sql, raw.SQLITE_PREPARE_PERSISTENT, out _statement));
    }

    public void Bind(int parameter, string value)
    {
        var most = Encoding.UTF8.GetMaxByteCount(value.Length);
        if (_utf8.Length < most)
        {
            _utf8 = new byte[most];
        }

        Check(raw.sqlite3_bind_text(_statement, parameter, _utf8.AsSpan(0, Encoding.UTF8.GetBytes(value, _utf8))));
    }

    /// <summary>Binds a text that is mostly the same as at the last run, such as a window: only when it changed.</summary>
    public void BindAgain(int parameter, string value)
    {
        if (_again != value)
        {
            _again = null;
            Bind(parameter, value);
            _again = value;
        }
    }

    public void Bind(int parameter, long value) => Check(raw.sqlite3_bind_int64(_statement, parameter, value));

    public void BindNull(int parameter) => Check(raw.sqlite3_bind_null(_statement, parameter));

    public void Bind(int parameter, byte[] value) => Check(raw.sqlite3_bind_blob(_statement, parameter, value));

    /// <summary>Goes on to the next row; false when there is none, and the statement can be bound and run anew.</summary>
    public bool Step()
    {
        var code = raw.sqlite3_step(_statement);
        if (code == raw.SQLITE_ROW)
        {
            return true;
        }

        Reset();
        if (code != raw.SQLITE_DONE)
        {
            Check(code);
        }

        return false;
    }

    /// <summary>Runs a statement that has no rows, or whose rows are of no interest.</summary>
    public void Run()
    {
        if (Step())
        {
            Reset();
        }
    }

    public long Int64(int column) => raw.sqlite3_column_int64(_statement, column);

    /// <summary>The four sums, from a column on.</summary>
    public CounterAmounts Amounts(int first) => new(Int64(first), Int64(first + 1), Int64(first + 2), Int64(first + 3));

    /// <summary>How many rows the last run changed, if it changes rows.</summary>
    public int Changes => raw.sqlite3_changes(_database);

    public string Text(int column) => raw.sqlite3_column_text(_statement, column).utf8_to_string();

    /// <summary>Ends a run before its last row.</summary>
    public void Reset() => _ = raw.sqlite3_reset(_statement);

    public void Dispose() => _statement.Dispose();

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, _database);
}
