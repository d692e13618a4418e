using Microsoft.Data.Sqlite;

namespace Policyd.Backends.SqlCounters;

/// <summary>The prepared statements of a lane's present connection.</summary>
internal sealed class SqliteStatements : IDisposable
{
    private readonly Dictionary<string, SqliteStatement> _byText = new(StringComparer.Ordinal);
    private SqliteConnection? _connection;

    public SqliteStatement this[string sql]
    {
        get
        {
            if (!_byText.TryGetValue(sql, out var statement))
            {
                _byText.Add(sql, statement = new SqliteStatement(_connection!, sql));
            }

            return statement;
        }
    }

    public SqliteStatements For(SqliteConnection connection)
    {
        if (!ReferenceEquals(_connection, connection))
        {
            Dispose();
            _connection = connection;
        }

        return this;
    }

    public void Dispose()
    {
        foreach (var statement in _byText.Values)
        {
            statement.Dispose();
        }

        _byText.Clear();
    }
}
