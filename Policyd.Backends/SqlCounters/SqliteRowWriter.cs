using Microsoft.Data.Sqlite;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// Writes the rows of a commit into SQLite. The transaction holds the file's write lock, so what a row was when it began is what it is:
/// where no other connection has written since the last commit (<c>PRAGMA data_version</c>) the totals of that commit still hold, and the
/// row is only written; elsewhere it is read first. An upsert with RETURNING costs twice as much as either.
/// </summary>
/// <param name="quote">Quotes a name.</param>
internal sealed class SqliteRowWriter(Func<string, string> quote) : IDisposable
{
    private readonly SqliteStatements _statements = new();
    private readonly Dictionary<string, RowStatements> _ofTable = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KnownTotals> _known = new(StringComparer.Ordinal);
    private SqliteConnection? _connection;
    private long? _version;
    private bool _hasCommitted;

    /// <summary>The log of the connection, once it is attached.</summary>
    internal SqliteLogFile? Log { get; private set; }

    /// <summary>The statements of the writer's connection.</summary>
    public SqliteStatements On(SqliteConnection connection)
    {
        if (!ReferenceEquals(_connection, connection))
        {
            Dispose();
            _connection = connection;
        }

        return _statements.For(connection);
    }

    /// <summary>The transaction has begun: looks whether others have written since the last one.</summary>
    public void Begin()
    {
        var look = _statements["PRAGMA data_version"];
        look.Step();
        var version = look.Int64(0);
        look.Reset();
        if (version != _version)
        {
            Forget();
            _version = version;
        }
    }

    /// <summary>Writes a row and notes its total.</summary>
    public void Write(string table, PlannedRow row)
    {
        var statements = Of(table);
        if (row.Absolute)
        {
            row.Read(row.Amounts);
            Put(statements, row, isThere: true);
            return;
        }

        var isThere = Known(table).TryGet(row.Id, out var old) || Find(statements.Select, row.Id, out old);
        row.Read(isThere ? old + row.Amounts : row.Amounts);
        if (!isThere || row.Amounts != default)
        {
            Put(statements, row, isThere);
        }
    }

    /// <summary>Runs COMMIT. The commit is then in the file: its totals hold until somebody else writes.</summary>
    public void Commit(CommitPlan plan)
    {
        var succeeded = false;
        Log?.Begin();
        try
        {
            _statements["COMMIT"].Run();
            succeeded = true;
        }
        finally
        {
            Log?.End(succeeded);
        }

        if (!_hasCommitted)
        {
            _hasCommitted = true;
            Log = SqliteLogFile.TryAttach(_connection!);
        }

        foreach (var table in plan.Tables)
        {
            var known = Known(table.Info.Table);
            foreach (var row in table.Rows)
            {
                known.Set(row.Id, row.Total);
            }
        }
    }

    /// <summary>Rows were changed past this, or it is not known whether a commit is in the file.</summary>
    public void Forget()
    {
        foreach (var known in _known.Values)
        {
            known.Forget();
        }
    }

    /// <summary>The connection ends, and with it its statements and the number of its version.</summary>
    public void Dispose()
    {
        Forget();
        Log?.Dispose();
        (_connection, _version, Log, _hasCommitted) = (null, null, null, false);
        _ofTable.Clear();
        _statements.Dispose();
    }

    private static bool Find(SqliteStatement select, CounterRowId row, out CounterAmounts total)
    {
        select.Bind(1, row.Key);
        select.BindAgain(2, row.Time);
        var found = select.Step();
        total = found ? select.Amounts(0) : default;
        if (found)
        {
            select.Reset();
        }

        return found;
    }

    private static void Put(RowStatements statements, PlannedRow row, bool isThere)
    {
        if (isThere)
        {
            Bind(statements.Update, row);
            statements.Update.Run();
            if (statements.Update.Changes > 0)
            {
                return;
            }
        }

        Bind(statements.Insert, row);
        statements.Insert.Run();
    }

    private static void Bind(SqliteStatement statement, PlannedRow row)
    {
        statement.Bind(1, row.Id.Key);
        statement.BindAgain(2, row.Id.Time);
        statement.Bind(3, row.Total.Count);
        statement.Bind(4, row.Total.CountRcpt);
        statement.Bind(5, row.Total.Size);
        statement.Bind(6, row.Total.SizeRcpt);
    }

    private KnownTotals Known(string table)
    {
        if (!_known.TryGetValue(table, out var known))
        {
            _known.Add(table, known = new KnownTotals());
        }

        return known;
    }

    private RowStatements Of(string table)
    {
        if (!_ofTable.TryGetValue(table, out var statements))
        {
            var name = quote(table);
            _ofTable.Add(table, statements = new RowStatements(
                _statements[$"SELECT count, count_rcpt, size, size_rcpt FROM {name} WHERE \"key\" = ?1 AND \"time\" = ?2"],
                _statements[
                    $"UPDATE {name} SET count = ?3, count_rcpt = ?4, size = ?5, size_rcpt = ?6 WHERE \"key\" = ?1 AND \"time\" = ?2"],
                _statements[
                    $"INSERT INTO {name} (\"key\", \"time\", count, count_rcpt, size, size_rcpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"]));
        }

        return statements;
    }

    private sealed record RowStatements(SqliteStatement Select, SqliteStatement Update, SqliteStatement Insert);
}
