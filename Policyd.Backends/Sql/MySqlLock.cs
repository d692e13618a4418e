using System.Data.Common;
using System.Globalization;
using Policyd.Counting.Store;

namespace Policyd.Backends.Sql;

/// <summary>
/// A named lock of MySQL or MariaDB, under which one server of all prepares a table. The server takes it back when the connection ends.
/// </summary>
internal static class MySqlLock
{
    // Such names are the whole server's, and of at most 64 characters.
    private const string Name = "MD5(CONCAT('policyd.', DATABASE(), '.', @table))";

    // Together less than a writer waits until the database counts as away, so that its log tells who holds it.
    private const int Steps = 5;
    private const int StepSeconds = 1;

    /// <summary>Does the work while no other server prepares the table.</summary>
    /// <exception cref="CounterStoreException">The lock stays held, or the server does not give it.</exception>
    public static async Task<T> HoldAsync<T>(
        DbConnection connection, string table, Func<CancellationToken, Task<T>> work, CancellationToken ct)
    {
        await TakeAsync(connection, table, ct).ConfigureAwait(false);
        try
        {
            return await work(ct).ConfigureAwait(false);
        }
        finally
        {
            await AskAsync(connection, $"SELECT CONVERT(RELEASE_LOCK({Name}), CHAR)", table, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Each step is one short query: a caller who gives up ends the wait, and the server keeps no query of it. A lock that stays held is an
    /// error that the caller tries again after, as with every other lock.
    /// </summary>
    private static async Task TakeAsync(DbConnection connection, string table, CancellationToken ct)
    {
        for (var step = 0; step < Steps; step++)
        {
            ct.ThrowIfCancellationRequested();
            switch (await AskAsync(connection, $"SELECT CONVERT(GET_LOCK({Name}, {StepSeconds}), CHAR)", table, ct).ConfigureAwait(false))
            {
                case "1":
                    return;
                case null:
                    throw new CounterStoreException(
                        CounterStoreFailure.Unavailable, $"the server did not lock table {table} for its preparation");
            }
        }

        throw new CounterStoreException(
            CounterStoreFailure.Busy, $"another node has been preparing table {table} for more than {Steps * StepSeconds} s");
    }

    private static async Task<string?> AskAsync(DbConnection connection, string sql, string table, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = 0;
        command.Bind("@table", table);
        var text = Convert.ToString(await command.ExecuteScalarAsync(ct).ConfigureAwait(false), CultureInfo.InvariantCulture);
        return string.IsNullOrEmpty(text) ? null : text;
    }
}
