using System.Data.Common;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

// A module's statements: one connection of the pool for each.
internal static class SqlCalls
{
    /// <summary>Runs a statement, as <see cref="SqlSource"/> runs work.</summary>
    /// <param name="database">The database.</param>
    /// <param name="query">The statement.</param>
    /// <param name="values">What its placeholders stand for.</param>
    /// <param name="run">How it is run. Its token is for the driver, which is not to be asked to cancel: it would wait for the
    /// server.</param>
    /// <param name="ct">The caller's deadline.</param>
    /// <param name="before">What the connection needs before, such as the tables.</param>
    /// <param name="isRepeatable">Whether it may run twice; if not, it is tried again only where the server has said that it did
    /// nothing.</param>
    /// <exception cref="SqlAwayException">The database cannot be reached, or did not answer in time.</exception>
    /// <exception cref="DbException">The database refuses.</exception>
    public static Task<T> CallAsync<T>(
        this SqlDatabase database,
        SqlQuery query,
        object?[] values,
        Func<DbCommand, CancellationToken, Task<T>> run,
        CancellationToken ct,
        Func<DbConnection, CancellationToken, Task>? before = null,
        bool isRepeatable = true) =>
        database.Source.RunAsync(
            async (connection, givenUp) =>
            {
                if (before is not null)
                {
                    await before(connection, givenUp).ConfigureAwait(false);
                }

                using var command = query.CreateCommand(connection, values);
                return await run(command, CancellationToken.None).ConfigureAwait(false);
            },
            isRepeatable,
            ct);
}
