using System.Data;
using System.Data.Common;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>A statement of the configuration with one placeholder, asked for each mail.</summary>
internal sealed class SqlStatement(SqlDatabase database, SqlQuery query) : ISqlStatement
{
    public int ParameterCount => query.ParameterCount;

    public string Database => database.Description;

    public ValueTask<string?> FirstTextAsync(string value, CancellationToken ct) => AskAsync(value, FirstColumn.ReadAsync, ct);

    public ValueTask<bool> HasRowAsync(string value, CancellationToken ct) => AskAsync(value, AnyRowAsync, ct);

    private async ValueTask<T?> AskAsync<T>(string value, Func<DbCommand, CancellationToken, Task<T>> run, CancellationToken ct)
    {
        object?[] values = [value];
        try
        {
            return await database.CallAsync(query, values, run, ct).ConfigureAwait(false);
        }
        catch (DbException exception) when (database.CannotHold(exception, values))
        {
            return default;
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
