using System.Data.Common;
using LinqToDB;
using LinqToDB.Async;
using LinqToDB.Data;
using LinqToDB.DataProvider;
using LinqToDB.DataProvider.MySql;
using LinqToDB.DataProvider.PostgreSQL;
using LinqToDB.DataProvider.SQLite;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlDecisions;

/// <summary>
/// The history of decisions in SQL. It has connections and a knowledge of the database of its own, so that whatever it meets there changes
/// nothing for those who answer mail. On SQLite it has a file of its own too: a file has one writer at a time, and the counters' must not
/// wait. docs/adr/0047 tells why the statements are linq2db's.
/// </summary>
public sealed class SqlDecisionStore : IAsyncDisposable
{
    private readonly SqlDatabase _database;
    private readonly IDataProvider _dialect;
    private bool _isPrepared;

    /// <param name="database">The configured database, of which only the options are used.</param>
    internal SqlDecisionStore(SqlDatabase database)
    {
        _database = database;
        _dialect = DialectOf(database.Provider);
    }

    /// <summary>Where it is, for messages.</summary>
    public string Description => _database.Description;

    internal SqlDatabase Database => _database;

    /// <summary>Writes decisions, all or none. The table is made before the first.</summary>
    /// <param name="rows">The decisions.</param>
    /// <param name="mayBeThere">Whether some may have been written before, by a call of which nothing is known.</param>
    /// <param name="ct">The caller's patience.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="SqlRefusedException">The database refuses.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the table.</exception>
    public Task WriteAsync(IReadOnlyList<DecisionRow> rows, bool mayBeThere, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return RunAsync(
            _database,
            async db =>
            {
                var transaction = await db.BeginTransactionAsync().ConfigureAwait(false);
                await using var _ = transaction.ConfigureAwait(false);
                if (mayBeThere)
                {
                    var ids = rows.Select(static row => row.Id).ToList();
                    await db.GetTable<DecisionRow>().DeleteAsync(row => ids.Contains(row.Id)).ConfigureAwait(false);
                }

                mayBeThere = true;   // when this is called again, the end of the transaction may have been lost
                var copy = new BulkCopyOptions { BulkCopyType = BulkCopyType.MultipleRows, UseParameters = true };
                await db.BulkCopyAsync(copy, rows).ConfigureAwait(false);
                await transaction.CommitAsync().ConfigureAwait(false);
                return rows.Count;
            },
            ct);
    }

    /// <summary>Decisions, the newest first. Makes and changes nothing: where there is no table there are none.</summary>
    /// <param name="search">Which.</param>
    /// <param name="ct">The caller's patience.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="SqlRefusedException">The database refuses.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the table.</exception>
    public async Task<IReadOnlyList<DecisionRow>> FindAsync(DecisionSearch search, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(search);
        if (_database is not SqliteDatabase sqlite)
        {
            return await FindAsync(_database, search, ct).ConfigureAwait(false);
        }

        if (!File.Exists(sqlite.File))
        {
            return [];
        }

        var untouched = sqlite.ToLookAt();
        await using var _ = untouched.ConfigureAwait(false);
        return await FindAsync(untouched, search, ct).ConfigureAwait(false);
    }

    /// <summary>
    /// Deletes the oldest decisions, a chunk at a time. Two statements, since MySQL deletes from no table that the same statement asks.
    /// Several servers may do so at once.
    /// </summary>
    /// <param name="before">What is older is deleted.</param>
    /// <param name="most">How many at most; a few more when they have the same time.</param>
    /// <param name="ct">The caller's patience.</param>
    /// <returns>How many were deleted; fewer than <paramref name="most"/> when no more are there.</returns>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the table.</exception>
    public Task<int> PurgeAsync(DateTimeOffset before, int most, CancellationToken ct)
    {
        var end = before.ToUnixTimeMilliseconds();
        return RunAsync(
            _database,
            async db =>
            {
                var old = db.GetTable<DecisionRow>().Where(row => row.At < end);
                var last = await old.OrderBy(row => row.At).Skip(most - 1).Take(1).Select(row => (long?)row.At).ToListAsync()
                    .ConfigureAwait(false);
                return await (last is [{ } at] ? old.Where(row => row.At <= at) : old).DeleteAsync().ConfigureAwait(false);
            },
            ct);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _database.DisposeAsync();

    private Task<IReadOnlyList<DecisionRow>> FindAsync(SqlDatabase database, DecisionSearch search, CancellationToken ct) =>
        database.RunAsync<IReadOnlyList<DecisionRow>>(
            async (connection, givenUp) =>
            {
                var plan = await new SchemaLook(connection, database.Provider).PlanAsync(OwnTableGroup.Decisions, givenUp)
                    .ConfigureAwait(false);
                OwnSchema.Check(plan, database, OwnTableGroup.Decisions);
                if (plan.Found == 0)
                {
                    return [];
                }

                using var db = Context(connection);
                return await search.In(db.GetTable<DecisionRow>()).ToListAsync(CancellationToken.None).ConfigureAwait(false);
            },
            isRepeatable: true,
            ct);

    // The drivers are not asked to cancel a statement: they would wait for the server. SqlCall closes the connection instead.
    private Task<T> RunAsync<T>(SqlDatabase database, Func<DataConnection, Task<T>> work, CancellationToken ct) =>
        database.RunAsync(
            async (connection, givenUp) =>
            {
                if (!Volatile.Read(ref _isPrepared))
                {
                    await PrepareAsync(connection, givenUp).ConfigureAwait(false);
                    Volatile.Write(ref _isPrepared, true);
                }

                using var db = Context(connection);
                return await work(db).ConfigureAwait(false);
            },
            isRepeatable: true,
            ct);

    private async Task PrepareAsync(DbConnection connection, CancellationToken ct)
    {
        if (_database.Provider == SqlProvider.SQLite)
        {
            // Who searches then keeps nobody from writing, and is kept from nothing.
            using var command = connection.Command("PRAGMA journal_mode = WAL");
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        await OwnSchema.PrepareAsync(connection, _database, OwnTableGroup.Decisions, ct).ConfigureAwait(false);
    }

    private DataConnection Context(DbConnection connection) =>
        new(new DataOptions().UseConnection(_dialect, connection, disposeConnection: false));

    // The oldest version of each that we run on: no server is asked which it is.
    private static IDataProvider DialectOf(SqlProvider provider) => provider switch
    {
        SqlProvider.SQLite => SQLiteTools.GetDataProvider(SQLiteProvider.Microsoft),
        SqlProvider.PostgreSQL => PostgreSQLTools.GetDataProvider(PostgreSQLVersion.v95),
        _ => MySqlTools.GetDataProvider(MySqlVersion.MySql57, MySqlProvider.MySqlConnector),
    };
}
