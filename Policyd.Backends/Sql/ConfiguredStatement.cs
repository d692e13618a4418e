using System.Data.Common;
using Policyd.Configuration.Tree;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>A statement that the operator has written, with its place in the configuration.</summary>
public sealed class ConfiguredStatement
{
    private readonly SqlDatabase _database;

    internal ConfiguredStatement(
        string plugin, string option, SourcePosition place, string connection, SqlDatabase database, SqlQuery query)
    {
        Plugin = plugin;
        Option = option;
        Place = place;
        Connection = connection;
        Query = query;
        _database = database;
    }

    /// <summary>The plugin.</summary>
    public string Plugin { get; }

    /// <summary>The plugin's option.</summary>
    public string Option { get; }

    /// <summary>Where it stands.</summary>
    public SourcePosition Place { get; }

    /// <summary>The connection whose database it is for.</summary>
    public string Connection { get; }

    /// <summary>The statement.</summary>
    public SqlQuery Query { get; }

    /// <summary>Has the database prepare it, which runs nothing and changes nothing.</summary>
    /// <param name="ct">Ends it, as far as the driver heeds it.</param>
    /// <returns>Why the database refuses it; null when it does not.</returns>
    /// <exception cref="SqlAwayException">The database cannot be asked.</exception>
    public async Task<StatementRefusal?> RefusalAsync(CancellationToken ct)
    {
        if (_database is SqliteDatabase { IsNotMadeYet: true } absent)
        {
            return new StatementRefusal($"{absent.Description}: there is no such file yet", IsMissingTable: true, IsMissingFile: true);
        }

        SqliteDatabase? untouched = null;
        var isOpen = false;
        try
        {
            untouched = (_database as SqliteDatabase)?.ToLookAt();
            var connection = await (untouched ?? _database).OpenForCallAsync(ct).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            isOpen = true;
            using var command = Query.CreateCommand(connection, [.. Enumerable.Repeat<object?>("", Query.ParameterCount)]);
            await command.PrepareAsync(ct).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is DbException or IOException or InvalidOperationException or TimeoutException)
        {
            var fault = (untouched ?? _database).Classify(e);
            return isOpen && fault.IsOfStatement ? new StatementRefusal(fault.Message, fault.IsMissingTable)
                : throw new SqlAwayException($"{_database.Description}: {fault.Message}", e);
        }
        finally
        {
            if (untouched is not null)
            {
                await untouched.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}

/// <summary>Why a database refuses a statement.</summary>
/// <param name="Message">What it says.</param>
/// <param name="IsMissingTable">Whether a table of the statement is not there.</param>
/// <param name="IsMissingFile">Whether there is no table at all: the file of SQLite is not made yet.</param>
public sealed record StatementRefusal(string Message, bool IsMissingTable, bool IsMissingFile = false);
