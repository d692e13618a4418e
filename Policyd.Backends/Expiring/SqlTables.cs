using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Expiring;

/// <summary>
/// A module's own tables: made before the first statement that changes them, then statements with bound values. Who only reads makes
/// nothing, since he may only try what would become of a request: where there is no table yet, there is no row.
/// </summary>
/// <param name="database">The database.</param>
/// <param name="areThere">Whether the tables are there; changes nothing.</param>
/// <param name="prepare">Makes the tables where they are missing; safe to run again.</param>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore holds no handle, and it lives as long as the server.")]
internal sealed class SqlTables(SqlDatabase database, Func<DbConnection, Task<bool>> areThere, Func<DbConnection, Task> prepare)
{
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;
    private bool _areThere;

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

    /// <summary>The first column of the first row; null when there is none, or no table.</summary>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public async Task<object?> ScalarAsync(SqlQuery query, CancellationToken ct, params object?[] values)
    {
        try
        {
            return await database.Source.RunAsync(
                async (connection, _) =>
                {
                    if (!await AreThereAsync(connection).ConfigureAwait(false))
                    {
                        return null;
                    }

                    using var command = query.CreateCommand(connection, values);
                    return await command.ExecuteScalarAsync(CancellationToken.None).ConfigureAwait(false);
                },
                isRepeatable: true,
                ct).ConfigureAwait(false) is { } value and not DBNull ? value : null;
        }
        catch (DbException e) when (database.CannotHold(e, values))
        {
            return null;
        }
        catch (DbException e) when (e is not SqlAwayException)
        {
            throw Refused(e);
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
        catch (DbException e) when (e is not SqlAwayException)
        {
            throw Refused(e);
        }
    }

    private SqlRefusedException Refused(DbException e) => new($"{database.Description}: {database.ReasonOf(e)}", e);

    private async ValueTask<bool> AreThereAsync(DbConnection connection)
    {
        if (!Volatile.Read(ref _areThere) && await areThere(connection).ConfigureAwait(false))
        {
            Volatile.Write(ref _areThere, true);
        }

        return Volatile.Read(ref _areThere);
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
            Volatile.Write(ref _areThere, true);
        }
        finally
        {
            _preparing.Release();
        }
    }
}
