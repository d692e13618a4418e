using System.Data.Common;

namespace Policyd.Plugins.Sql;

// A module's statements: one connection of the pool for each, away from the caller's thread, since SQLite works in the calling one and a slow disk must
// not hold a session's.
internal static class SqlCalls
{
    /// <summary>Runs a statement.</summary>
    /// <param name="database">The database.</param>
    /// <param name="query">The statement.</param>
    /// <param name="values">What its placeholders stand for.</param>
    /// <param name="run">How it is run.</param>
    /// <param name="ct">Ends it.</param>
    /// <param name="before">What the connection needs before, such as the tables.</param>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public static Task<T> CallAsync<T>(
        this ISqlDatabase database, SqlQuery query, object?[] values, Func<DbCommand, CancellationToken, Task<T>> run, CancellationToken ct, Func<DbConnection, CancellationToken, Task>? before = null) =>
        Task.Run(
            async () =>
            {
                await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
                try
                {
                    if (before is not null)
                    {
                        await before(connection, ct).ConfigureAwait(false);
                    }

                    await using var command = query.CreateCommand(connection, values);
                    return await run(command, ct).ConfigureAwait(false);
                }
                catch (DbException e) when (database is SqlDatabase own)
                {
                    own.GiveUp(connection, e);
                    throw;
                }
            },
            ct);
}
