using System.Data;
using System.Data.Common;
using System.Net.Sockets;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Schema;

/// <summary>
/// Makes the server's own tables and brings older ones to the version that this server uses. It looks first and changes only what is
/// missing, so that a user who may not create tables can use those that are there. Servers that start at once wait for each other; where
/// a change of a table is no part of a transaction (MySQL) each step can be done again after a crash in the middle.
/// </summary>
public static class OwnSchema
{
    /// <summary>Makes the tables ready. Safe to run again, and by several servers at once.</summary>
    /// <returns>What was changed in older tables, in plain sentences. New tables are not told.</returns>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the tables.</exception>
    public static async Task<IReadOnlyList<string>> PrepareAsync(SqlDatabase database, OwnTableGroup tables, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(tables);
        var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return await PrepareAsync(connection, database, tables, ct).ConfigureAwait(false);
    }

    /// <inheritdoc cref="PrepareAsync(SqlDatabase, OwnTableGroup, CancellationToken)"/>
    internal static async Task<IReadOnlyList<string>> PrepareAsync(
        DbConnection connection, SqlDatabase database, OwnTableGroup tables, CancellationToken ct)
    {
        var look = new SchemaLook(connection, database.Provider);
        var plan = Check(await look.PlanAsync(tables, ct).ConfigureAwait(false), database, tables);
        if (plan.Steps.Count == 0)
        {
            return [];
        }

        if (database.Provider == SqlProvider.MySQL)
        {
            return await MySqlLock.HoldAsync(connection, OwnTableGroup.Versions, ChangeAsync, ct).ConfigureAwait(false);
        }

        // SQLite's then writes from its beginning, so that a second server waits there. PostgreSQL's sees what the one before it has done.
        var level = database.Provider == SqlProvider.SQLite ? IsolationLevel.Serializable : IsolationLevel.ReadCommitted;
        var transaction = await connection.BeginTransactionAsync(level, ct).ConfigureAwait(false);
        await using var __ = transaction.ConfigureAwait(false);
        if (database.Provider == SqlProvider.PostgreSQL)
        {
            await look.ExecuteAsync(PostgresSchemaLock, ct).ConfigureAwait(false);
        }

        var done = await ChangeAsync(ct).ConfigureAwait(false);
        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return done;

        async Task<IReadOnlyList<string>> ChangeAsync(CancellationToken token)
        {
            // Another server may have done it meanwhile.
            var due = Check(await look.PlanAsync(tables, token).ConfigureAwait(false), database, tables);
            foreach (var step in due.Steps)
            {
                await look.ExecuteAsync(step.Sql, token).ConfigureAwait(false);
            }

            return due.Found == 0 || due.Found == tables.Version ? [] : due.Sentences;
        }
    }

    /// <summary>Whether the tables are there, of whichever version. Changes nothing.</summary>
    /// <exception cref="NewerSchemaException">A newer server has changed the tables.</exception>
    internal static async Task<bool> IsThereAsync(
        DbConnection connection, SqlDatabase database, OwnTableGroup tables, CancellationToken ct)
    {
        var look = new SchemaLook(connection, database.Provider);

        // One question, as long as there is none.
        return await look.HasTableAsync(tables.Tables(database.Provider)[0].Name, ct).ConfigureAwait(false)
            && Check(await look.PlanAsync(tables, ct).ConfigureAwait(false), database, tables).Found > 0;
    }

    /// <summary>
    /// What <see cref="PrepareAsync(SqlDatabase, OwnTableGroup, CancellationToken)"/> would do, in plain sentences; empty when the tables
    /// are ready. Changes nothing, and leaves nothing beside a file.
    /// </summary>
    /// <exception cref="SqlAwayException">The database cannot be reached, or refuses to be looked at.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the tables.</exception>
    public static async Task<IReadOnlyList<string>> DescribeAsync(SqlDatabase database, OwnTableGroup tables, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(tables);
        if (database is not SqliteDatabase sqlite)
        {
            return await LookAsync(database, tables, ct).ConfigureAwait(false);
        }

        if (!File.Exists(sqlite.File))
        {
            return [.. tables.Tables(SqlProvider.SQLite).Select(table => $"table {table.Name}: created, in the new file {sqlite.File}")];
        }

        var untouched = sqlite.ToLookAt();
        await using var _ = untouched.ConfigureAwait(false);
        return await LookAsync(untouched, tables, ct).ConfigureAwait(false);
    }

    /// <summary>
    /// CREATE TABLE fails when another node creates the same table at that moment, also with IF NOT EXISTS: who changes tables of
    /// PostgreSQL holds this until the end of his transaction.
    /// </summary>
    internal const string PostgresSchemaLock = "SELECT pg_advisory_xact_lock(8097889510232814948)";

    private static async Task<IReadOnlyList<string>> LookAsync(SqlDatabase database, OwnTableGroup tables, CancellationToken ct)
    {
        try
        {
            var connection = await database.OpenAsync(ct).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            var look = new SchemaLook(connection, database.Provider);
            var plan = Check(await look.PlanAsync(tables, ct).ConfigureAwait(false), database, tables);
            return await look.WhyNoTablesAsync(plan.Steps.Select(static step => step.Sql), ct).ConfigureAwait(false) is { } why
                ? [.. plan.Sentences, why]
                : plan.Sentences;
        }
        catch (Exception e) when (e is DbException or IOException or SocketException or TimeoutException)
        {
            throw new SqlAwayException($"{database.Description}: {database.Classify(e).Message}", e);
        }
    }

    /// <exception cref="NewerSchemaException">A newer server has changed the tables.</exception>
    internal static SchemaPlan Check(SchemaPlan plan, SqlDatabase database, OwnTableGroup tables) =>
        plan.Found > tables.Version ? throw new NewerSchemaException(database.Description, tables, plan.Found) : plan;
}
