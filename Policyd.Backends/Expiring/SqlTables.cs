using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Policyd.Backends.Sql;

namespace Policyd.Backends.Expiring;

/// <summary>A module's own tables: made before their first use, then statements with bound values.</summary>
/// <param name="database">The database.</param>
/// <param name="prepare">Makes the tables where they are missing; safe to run again.</param>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore holds no handle, and it lives as long as the server.")]
internal sealed class SqlTables(SqlDatabase database, Func<DbConnection, Task> prepare)
{
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;

    /// <summary>A statement with <c>?</c> for its values, made ready once.</summary>
    public SqlQuery Query(string sql) => SqlQuery.Parse(sql, database.Provider);

    /// <summary>Runs a statement that may run twice and comes to the same.</summary>
    /// <returns>How many rows it changed: none where a value is not one that the table can hold.</returns>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public Task<int> ExecuteAsync(SqlQuery query, CancellationToken ct, params object?[] values) =>
        ExecuteAsync(query, isRepeatable: true, values, ct);

    /// <summary>Runs a statement that adds to what is there: never a second time when it may have been done.</summary>
    /// <inheritdoc cref="ExecuteAsync(SqlQuery, CancellationToken, object?[])"/>
    public Task<int> ExecuteOnceAsync(SqlQuery query, CancellationToken ct, params object?[] values) =>
        ExecuteAsync(query, isRepeatable: false, values, ct);

    /// <summary>The first column of the first row; null when there is none.</summary>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public async Task<object?> ScalarAsync(SqlQuery query, CancellationToken ct, params object?[] values)
    {
        try
        {
            return await database.CallAsync(query, values, static (command, ct) => command.ExecuteScalarAsync(ct), ct, PrepareAsync)
                .ConfigureAwait(false) is { } value and not DBNull ? value : null;
        }
        catch (DbException e) when (database.CannotHold(e, values))
        {
            return null;
        }
    }

    private async Task<int> ExecuteAsync(SqlQuery query, bool isRepeatable, object?[] values, CancellationToken ct)
    {
        try
        {
            return await database.CallAsync(
                query,
                values,
                static (command, ct) => command.ExecuteNonQueryAsync(ct),
                ct,
                PrepareAsync,
                isRepeatable).ConfigureAwait(false);
        }
        catch (DbException e) when (database.CannotHold(e, values))
        {
            return 0;
        }
    }

    // The token ends the wait for another call that is at it; a driver's statement ends with its connection.
    private async Task PrepareAsync(DbConnection connection, CancellationToken givenUp)
    {
        if (Volatile.Read(ref _prepared))
        {
            return;
        }

        await _preparing.WaitAsync(givenUp).ConfigureAwait(false);
        try
        {
            if (_prepared)
            {
                return;
            }

            await prepare(connection).ConfigureAwait(false);
            Volatile.Write(ref _prepared, true);
        }
        finally
        {
            _preparing.Release();
        }
    }
}
