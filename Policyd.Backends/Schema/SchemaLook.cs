using System.Data.Common;
using System.Globalization;
using MySqlConnector;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Schema;

/// <summary>What of the server's own tables is in a database, and what is to be done there. It only reads.</summary>
internal sealed class SchemaLook(DbConnection connection, SqlProvider provider)
{
    private const string Remedy = "grant that, or have its owner run the statements of docs/schema.md";

    public async Task<SchemaPlan> PlanAsync(OwnTableGroup group, CancellationToken ct)
    {
        var hasVersions = await HasTableAsync(OwnTableGroup.Versions, ct).ConfigureAwait(false);
        var recorded = hasVersions
            ? await NumberAsync("SELECT version FROM policyd_schema WHERE component = @name", group.Group, ct).ConfigureAwait(false)
            : null;
        if (recorded > group.Version)
        {
            return new SchemaPlan(recorded.Value, []);
        }

        var steps = new List<SchemaStep>();
        if (!hasVersions)
        {
            Create(steps, OwnTableGroup.VersionTable(provider));
        }

        var tables = group.Tables(provider);
        var missing = new List<OwnTable>();
        foreach (var table in tables)
        {
            if (!await HasTableAsync(table.Name, ct).ConfigureAwait(false))
            {
                missing.Add(table);
            }
        }

        var found = recorded ?? (missing.Contains(tables[0]) ? 0 : 1);
        missing.ForEach(table => Create(steps, table));
        foreach (var column in group.Added.Where(added => added.Version > found && missing.TrueForAll(table => table.Name != added.Table)))
        {
            if (!await HasColumnAsync(column, ct).ConfigureAwait(false))
            {
                steps.Add(new SchemaStep(
                    $"table {column.Table}: column {column.Column} added",
                    $"ALTER TABLE {column.Table} ADD COLUMN {column.Column} {column.Type}"));
            }
        }

        if (recorded != group.Version)
        {
            steps.Add(Record(group, found, isThere: recorded is not null));
        }

        return new SchemaPlan(found, steps);
    }

    public async Task<bool> HasTableAsync(string table, CancellationToken ct) => await NumberAsync(
        provider switch
        {
            SqlProvider.SQLite => "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND lower(name) = lower(@name)",
            SqlProvider.PostgreSQL => $"SELECT count(*) FROM pg_class WHERE oid = {PostgresTable("@name")}",
            _ => "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = @name",
        },
        table,
        ct).ConfigureAwait(false) > 0;

    /// <summary>
    /// Why this user cannot make the tables of some statements, as a sentence; null when he can, and for a file. PostgreSQL 15 and later
    /// let only the owner of a database do it. MySQL has rights for each table and by roles, and judges by them what it prepares.
    /// </summary>
    public async Task<string?> WhyNoTablesAsync(IEnumerable<string> statements, CancellationToken ct)
    {
        var creating = statements.Where(static sql => sql.StartsWith("CREATE TABLE", StringComparison.Ordinal)).ToList();
        return creating.Count == 0 ? null : provider switch
        {
            SqlProvider.PostgreSQL => await TextAsync(
                $"""
                SELECT format('not possible: the user %s may not create tables in the schema %s; {Remedy}',
                    current_user, coalesce(current_schema(), '(none)'))
                WHERE has_schema_privilege(current_schema(), 'CREATE') IS NOT TRUE
                """,
                ct).ConfigureAwait(false),
            SqlProvider.MySQL when await IsDeniedAsync(creating, ct).ConfigureAwait(false) => await TextAsync(
                "SELECT concat('not possible: the user ', current_user(), ' may not create tables in the database ', database(), "
                    + $"'; {Remedy}')",
                ct).ConfigureAwait(false),
            _ => null,
        };
    }

    public async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    /// <summary>
    /// The table of a name in PostgreSQL, as the catalogue has it now. <c>to_regclass</c> may still say that there is none when another
    /// server has made it while this one waited for the lock.
    /// </summary>
    public static string PostgresTable(string name) =>
        $"(SELECT one.oid FROM pg_class one WHERE one.relname = {name} AND pg_table_is_visible(one.oid))";

    // Prepared, nothing is made.
    private async Task<bool> IsDeniedAsync(List<string> statements, CancellationToken ct)
    {
        try
        {
            foreach (var sql in statements)
            {
                using var command = connection.CreateCommand();
                command.CommandText = sql;
                await command.PrepareAsync(ct).ConfigureAwait(false);
            }

            return false;
        }
        catch (MySqlException e) when (e.ErrorCode is MySqlErrorCode.TableAccessDenied or MySqlErrorCode.DatabaseAccessDenied)
        {
            return true;
        }
    }

    private async Task<string?> TextAsync(string sql, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) as string;
    }

    private static void Create(List<SchemaStep> steps, OwnTable table)
    {
        steps.Add(new SchemaStep($"table {table.Name}: created", table.Definition[0]));
        steps.AddRange(table.Definition.Skip(1).Select(more => new SchemaStep(null, more)));
    }

    private static SchemaStep Record(OwnTableGroup group, int found, bool isThere)
    {
        var version = group.Version.ToString(CultureInfo.InvariantCulture);
        return new SchemaStep(
            found == 0 || found == group.Version ? null : $"tables of {group.Group}: upgraded from version {found} to version {version}",
            isThere
                ? $"UPDATE policyd_schema SET version = {version} WHERE component = '{group.Group}'"
                : $"INSERT INTO policyd_schema (component, version) VALUES ('{group.Group}', {version})");
    }

    private async Task<bool> HasColumnAsync(AddedColumn added, CancellationToken ct) => await NumberAsync(
        provider switch
        {
            SqlProvider.SQLite => $"SELECT count(*) FROM pragma_table_info('{added.Table}') WHERE lower(name) = @name",
            SqlProvider.PostgreSQL =>
                $"SELECT count(*) FROM pg_attribute WHERE attrelid = {PostgresTable($"'{added.Table}'")} AND attname = @name "
                    + "AND NOT attisdropped",
            _ => $"SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{added.Table}' AND "
                + "column_name = @name",
        },
        added.Column,
        ct).ConfigureAwait(false) > 0;

    private async Task<int?> NumberAsync(string sql, string name, CancellationToken ct)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Bind("@name", name);
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is { } value and not DBNull
            ? Convert.ToInt32(value, CultureInfo.InvariantCulture)
            : null;
    }
}
