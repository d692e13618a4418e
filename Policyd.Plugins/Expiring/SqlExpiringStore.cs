using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Expiring;

/// <summary>
/// In a table of its own, <c>policyd_expiring</c>: shared by all servers on the database, and kept over a restart. A statement each; two servers
/// that add the same key at one time end with one row.
/// </summary>
internal sealed class SqlExpiringStore(ISqlDatabase database, TimeProvider clock) : IExpiringStore
{
    private readonly SqlTables _tables = new(database, database.Provider == SqlProvider.MySQL
        ? ["CREATE TABLE IF NOT EXISTS policyd_expiring (name VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, value BIGINT NOT NULL, expires BIGINT NOT NULL, INDEX policyd_expiring_expires (expires)) ENGINE = InnoDB"]
        : ["CREATE TABLE IF NOT EXISTS policyd_expiring (name VARCHAR(255) NOT NULL PRIMARY KEY, value BIGINT NOT NULL, expires BIGINT NOT NULL)",
           "CREATE INDEX IF NOT EXISTS policyd_expiring_expires ON policyd_expiring (expires)"]);

    private long Now => clock.GetUtcNow().ToUnixTimeSeconds();

    public async ValueTask<long?> FindAsync(string key, CancellationToken ct) =>
        await _tables.ScalarAsync("SELECT value FROM policyd_expiring WHERE name = ? AND expires > ?", ct, key, Now).ConfigureAwait(false) is { } value
            ? Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture)
            : null;

    public async ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct)
    {
        var (now, expires) = (Now, Now + (long)life.TotalSeconds);
        // One that has run out and is not purged yet is written over; one that lives stays.
        var sql = database.Provider == SqlProvider.MySQL
            ? "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE value = IF(expires > ?, value, VALUES(value)), expires = IF(expires > ?, expires, VALUES(expires))"
            : "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE policyd_expiring.expires <= ?";
        object?[] values = database.Provider == SqlProvider.MySQL ? [key, value, expires, now, now] : [key, value, expires, now];
        await _tables.ExecuteAsync(sql, ct, values).ConfigureAwait(false);
    }

    public async ValueTask RemoveAsync(string key, CancellationToken ct) =>
        await _tables.ExecuteAsync("DELETE FROM policyd_expiring WHERE name = ?", ct, key).ConfigureAwait(false);

    public async ValueTask PurgeAsync(CancellationToken ct) =>
        await _tables.ExecuteAsync("DELETE FROM policyd_expiring WHERE expires <= ?", ct, Now).ConfigureAwait(false);
}

/// <summary>A module's own tables: made before their first use, then statements with bound values, away from the caller's thread.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore holds no handle, and it lives as long as the server.")]
internal sealed class SqlTables(ISqlDatabase database, IReadOnlyList<string> definitions)
{
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;

    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public Task<int> ExecuteAsync(string sql, CancellationToken ct, params object?[] values) =>
        RunAsync(sql, values, static (command, ct) => command.ExecuteNonQueryAsync(ct), ct);

    /// <summary>The first column of the first row; null when there is none.</summary>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public Task<object?> ScalarAsync(string sql, CancellationToken ct, params object?[] values) =>
        RunAsync(sql, values, static async (command, ct) => await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is { } value and not DBNull ? value : null, ct);

    // SQLite works in the calling thread: a slow disk must not hold a session's.
    private Task<T> RunAsync<T>(string sql, object?[] values, Func<DbCommand, CancellationToken, Task<T>> run, CancellationToken ct) => Task.Run(
        async () =>
        {
            await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
            await PrepareAsync(connection, ct).ConfigureAwait(false);
            await using var command = SqlQuery.Parse(sql, database.Provider).CreateCommand(connection, values);
            return await run(command, ct).ConfigureAwait(false);
        },
        ct);

    private async Task PrepareAsync(DbConnection connection, CancellationToken ct)
    {
        if (Volatile.Read(ref _prepared))
        {
            return;
        }

        await _preparing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (_prepared)
            {
                return;
            }

            foreach (var definition in definitions)
            {
                await using var command = connection.CreateCommand();
                command.CommandText = definition;
                await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            }

            Volatile.Write(ref _prepared, true);
        }
        finally
        {
            _preparing.Release();
        }
    }
}
