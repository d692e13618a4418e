using System.Data;
using System.Data.Common;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>A statement of the configuration or of a plugin, asked for each mail.</summary>
internal sealed class SqlStatement(SqlDatabase database, SqlQuery query) : ISqlStatement
{
    public int ParameterCount => query.ParameterCount;

    public string Database => database.Description;

    public Task<bool> HasRowAsync(object?[] values, CancellationToken ct) => AskAsync(values, AnyRowAsync, false, ct);

    public Task<IReadOnlyList<SqlRow>> RowsAsync(object?[] values, int mostRows, int mostColumns, CancellationToken ct) =>
        AskAsync<IReadOnlyList<SqlRow>>(
            values, (command, ct) => new BoundedRows(mostRows, mostColumns).ReadAsync(command, ct), [], ct);

    public async Task<int> ExecuteAsync(object?[] values, CancellationToken ct)
    {
        try
        {
            return await database.CallAsync(
                query, values, static (command, ct) => command.ExecuteNonQueryAsync(ct), ct, isRepeatable: false).ConfigureAwait(false);
        }
        catch (DbException exception) when (exception is not SqlAwayException)
        {
            throw new SqlRefusedException(database.ReasonOf(exception), exception);
        }
    }

    private async Task<T> AskAsync<T>(object?[] values, Func<DbCommand, CancellationToken, Task<T>> run, T none, CancellationToken ct)
    {
        try
        {
            return await database.CallAsync(query, values, run, ct).ConfigureAwait(false);
        }
        catch (DbException exception) when (database.CannotHold(exception, values))
        {
            return none;
        }
        catch (DbException exception) when (exception is not SqlAwayException)
        {
            throw new SqlRefusedException(database.ReasonOf(exception), exception);
        }
    }

    // What the row holds is not read: it may be long, and a value may be one that .NET has no type for.
    private static async Task<bool> AnyRowAsync(DbCommand command, CancellationToken ct)
    {
        var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        return await reader.ReadAsync(ct).ConfigureAwait(false);
    }
}
