using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Policyd.Plugins.Sql;

namespace Policyd.Plugins.Expiring;

/// <summary>A module's own tables: made before their first use, then statements with bound values.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore holds no handle, and it lives as long as the server.")]
internal sealed class SqlTables(ISqlDatabase database, IReadOnlyList<string> definitions)
{
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;

    /// <summary>A statement with <c>?</c> for its values, made ready once.</summary>
    public SqlQuery Query(string sql) => SqlQuery.Parse(sql, database.Provider);

    /// <returns>How many rows it changed.</returns>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public Task<int> ExecuteAsync(SqlQuery query, CancellationToken ct, params object?[] values) =>
        database.CallAsync(query, values, static (command, ct) => command.ExecuteNonQueryAsync(ct), ct, PrepareAsync);

    /// <summary>The first column of the first row; null when there is none.</summary>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    public Task<object?> ScalarAsync(SqlQuery query, CancellationToken ct, params object?[] values) =>
        database.CallAsync(query, values, static async (command, ct) => await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is { } value and not DBNull ? value : null, ct, PrepareAsync);

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
