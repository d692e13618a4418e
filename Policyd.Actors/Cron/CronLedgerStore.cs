using System.Data.Common;
using Akka.Configuration;
using Akka.Persistence.Sql;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Actors.Cron;

/// <summary>
/// Where the ledger rests: two tables of Akka.Persistence.Sql on one of the configured connections, or this process's memory. The tables
/// are made here, since the library's own way to make them fails on MariaDB.
/// </summary>
internal static class CronLedgerStore
{
    private const string Journal = "policyd_cron_journal";
    private const string Snapshots = "policyd_cron_snapshot";

    public static Config InMemory { get; } = ConfigurationFactory.ParseString("""
        akka.persistence.journal.plugin = "akka.persistence.journal.inmem"
        akka.persistence.snapshot-store.plugin = "akka.persistence.snapshot-store.inmem"
        """);

    /// <summary>
    /// Akka's settings for a ledger in this database. The connection string in them holds the password: they are never logged.
    /// </summary>
    public static Config On(SqlProvider provider, string connectionString)
    {
        var name = provider switch
        {
            SqlProvider.SQLite => "SQLite.MS",
            SqlProvider.PostgreSQL => "PostgreSQL.15",
            _ => "MariaDB.10.MySqlConnector",
        };
        var quoted = "\"" + connectionString.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            + "\"";
        // SQLite's driver takes the lock of who writes at the begin of each transaction that is not of this level. The library's first
        // transaction lasts as long as its code is compiled: commits of counters would wait for it.
        var reading = provider == SqlProvider.SQLite ? "read-uncommitted" : "unspecified";
        return ConfigurationFactory.ParseString($"""
            akka.persistence.journal.plugin = "akka.persistence.journal.sql"
            akka.persistence.journal.sql.connection-string = {quoted}
            akka.persistence.journal.sql.provider-name = "{name}"
            akka.persistence.journal.sql.auto-initialize = off
            akka.persistence.journal.sql.tag-write-mode = Csv
            akka.persistence.journal.sql.read-isolation-level = {reading}
            akka.persistence.journal.sql.default.journal.table-name = {Journal}
            akka.persistence.snapshot-store.plugin = "akka.persistence.snapshot-store.sql"
            akka.persistence.snapshot-store.sql.connection-string = {quoted}
            akka.persistence.snapshot-store.sql.provider-name = "{name}"
            akka.persistence.snapshot-store.sql.auto-initialize = off
            akka.persistence.snapshot-store.sql.read-isolation-level = {reading}
            akka.persistence.snapshot-store.sql.default.snapshot.table-name = {Snapshots}
            """).WithFallback(SqlPersistence.DefaultConfiguration);
    }

    /// <summary>Makes the tables where they are not there yet.</summary>
    /// <exception cref="DbException">The database cannot be reached, or refuses.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed them.</exception>
    public static Task PrepareAsync(SqlDatabase database, CancellationToken ct) =>
        OwnSchema.PrepareAsync(database, OwnTableGroup.Cron, ct);
}
