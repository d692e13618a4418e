using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Schema;

/// <summary>
/// A group of the server's own tables (<c>policyd_…</c>) that have one version together. docs/schema.md has the same statements for
/// databases in which the server may not create tables; a test holds the two together. A new version changes the definition here, and says
/// in
/// <see cref="Added"/> what an older table lacks.
/// </summary>
public sealed class OwnTableGroup
{
    /// <summary>The one table of <see cref="Expiring"/>.</summary>
    public const string ExpiringTable = "policyd_expiring";

    /// <summary>The table of versions.</summary>
    internal const string Versions = "policyd_schema";

    // Text that only programs write: compared byte by byte, and short in every index.
    private const string MySqlAscii = " ENGINE=InnoDB CHARACTER SET ascii COLLATE ascii_bin";
    private const string MySqlUnicode = " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC";

    private readonly Func<SqlProvider, OwnTable[]> _tables;

    private OwnTableGroup(string group, int version, Func<SqlProvider, OwnTable[]> tables, params AddedColumn[] added) =>
        (Group, Version, _tables, Added) = (group, version, tables, added);

    /// <summary>
    /// Commits with their request ids, and how far the spool of each node is written. Version 2 tells the format of the ids, and has the
    /// marks of the spool.
    /// </summary>
    public static OwnTableGroup Counters { get; } = new(
        "counters",
        2,
        CounterTables,
        new AddedColumn(2, CounterTableName.Commits, "format", "smallint DEFAULT 1 NOT NULL"));

    /// <summary>The ledger of the cron scheduler, as Akka.Persistence.Sql has it.</summary>
    public static OwnTableGroup Cron { get; } = new("cron", 1, CronTables);

    /// <summary>What modules keep for a while, such as the tickets of Greylist.</summary>
    public static OwnTableGroup Expiring { get; } = new("expiring", 1, ExpiringTables);

    /// <summary>Who may commit to the counter tables of a database, in a cluster.</summary>
    public static OwnTableGroup Nodes { get; } = new("nodes", 1, NodeTables);

    /// <summary>What a cluster's members know of one another.</summary>
    public static OwnTableGroup Cluster { get; } = new("cluster", 1, ClusterTables);

    /// <summary>The history of decisions. On SQLite it is alone in its file.</summary>
    public static OwnTableGroup Decisions { get; } = new("decisions", 1, DecisionTables);

    /// <summary>All groups that a database may have: those of a cluster are none for SQLite, whose file is one machine's.</summary>
    public static IReadOnlyList<OwnTableGroup> AllOf(SqlProvider provider) =>
        provider == SqlProvider.SQLite ? [Counters, Cron, Expiring] : [Counters, Cron, Expiring, Nodes, Cluster, Decisions];

    /// <summary>The name of the group in the table of versions.</summary>
    public string Group { get; }

    /// <summary>The version that this server makes and uses. Tables without a version are of version 1.</summary>
    public int Version { get; }

    /// <summary>What tables of older versions lack.</summary>
    internal IReadOnlyList<AddedColumn> Added { get; }

    /// <summary>The tables of the newest version; the first has been there since version 1.</summary>
    internal IReadOnlyList<OwnTable> Tables(SqlProvider provider) => _tables(provider);

    /// <summary>The table of versions itself.</summary>
    internal static OwnTable VersionTable(SqlProvider provider) => new(
        Versions,
        $"CREATE TABLE policyd_schema (component varchar(64) NOT NULL PRIMARY KEY, version integer NOT NULL){Ascii(provider)}");

    private static OwnTable[] CounterTables(SqlProvider provider)
    {
        var (node, blob) = provider switch
        {
            SqlProvider.SQLite => ("text", "blob"),
            SqlProvider.PostgreSQL => ("char(32) COLLATE \"C\"", "bytea"),
            _ => ("char(32)", "longblob"),
        };
        var name = provider == SqlProvider.PostgreSQL ? "varchar(63) COLLATE \"C\"" : "varchar(63)";
        return
        [
            new(
                CounterTableName.Commits,
                $"CREATE TABLE policyd_commits (node {node} NOT NULL, seq bigint NOT NULL, at bigint NOT NULL, ids {blob} NOT NULL, "
                    + $"format smallint DEFAULT 1 NOT NULL, PRIMARY KEY (node, seq)){Ascii(provider)}",
                "CREATE INDEX policyd_commits_at ON policyd_commits (at)"),
            new(
                CounterTableName.Spool,
                $"CREATE TABLE policyd_spool (node {node} NOT NULL, table_name {name} NOT NULL, through bigint NOT NULL, "
                    + $"at bigint NOT NULL, PRIMARY KEY (node, table_name)){Ascii(provider)}"),
        ];
    }

    private static OwnTable[] CronTables(SqlProvider provider)
    {
        var (identity, blob, flag) = provider switch
        {
            SqlProvider.SQLite => ("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "blob", "bit"),
            SqlProvider.PostgreSQL => ("bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "bytea", "boolean"),
            _ => ("bigint NOT NULL AUTO_INCREMENT PRIMARY KEY", "longblob", "boolean"),
        };
        var engine = provider == SqlProvider.MySQL ? MySqlUnicode : string.Empty;
        return
        [
            new(
                "policyd_cron_journal",
                $"CREATE TABLE policyd_cron_journal (ordering {identity}, created bigint NOT NULL, deleted {flag} NOT NULL, "
                    + "persistence_id varchar(255) NOT NULL, sequence_number bigint NOT NULL, "
                    + $"message {blob} NOT NULL, tags varchar(100), manifest varchar(500), identifier integer, "
                    + $"writer_uuid varchar(128), UNIQUE (persistence_id, sequence_number)){engine}"),
            new(
                "policyd_cron_snapshot",
                "CREATE TABLE policyd_cron_snapshot (persistence_id varchar(255) NOT NULL, sequence_number bigint NOT NULL, "
                    + $"created bigint NOT NULL, snapshot {blob}, manifest varchar(500), serializer_id integer, "
                    + $"PRIMARY KEY (persistence_id, sequence_number)){engine}"),
        ];
    }

    private static OwnTable[] ExpiringTables(SqlProvider provider)
    {
        var collation = provider == SqlProvider.PostgreSQL ? " COLLATE \"C\"" : string.Empty;
        return
        [
            new(
                ExpiringTable,
                $"CREATE TABLE policyd_expiring (name varchar(255){collation} NOT NULL PRIMARY KEY, value bigint NOT NULL, "
                    + $"expires bigint NOT NULL){Ascii(provider)}",
                "CREATE INDEX policyd_expiring_expires ON policyd_expiring (expires)"),
        ];
    }

    private static OwnTable[] NodeTables(SqlProvider provider) =>
    [
        new(
            CounterTableName.Nodes,
            $"CREATE TABLE policyd_nodes (member {Name(provider)} NOT NULL PRIMARY KEY, fenced smallint NOT NULL, "
                + $"at bigint NOT NULL){Ascii(provider)}"),
    ];

    private static OwnTable[] ClusterTables(SqlProvider provider) =>
    [
        new(
            "policyd_members",
            $"CREATE TABLE policyd_members (member {Name(provider)} NOT NULL PRIMARY KEY, address {Name(provider)} NOT NULL, "
                + $"beat bigint NOT NULL, at bigint NOT NULL){Ascii(provider)}"),
        new(
            "policyd_leases",
            $"CREATE TABLE policyd_leases (name {Name(provider)} NOT NULL PRIMARY KEY, owner {Name(provider)} NOT NULL, "
                + $"expires bigint NOT NULL){Ascii(provider)}"),
    ];

    // Each index ends with the time, by which what is found is sorted. A rule and a kind of action are common: the newest are found soon.
    private static OwnTable[] DecisionTables(SqlProvider provider)
    {
        var (name, collation) = (Name(provider), provider == SqlProvider.PostgreSQL ? " COLLATE \"C\"" : string.Empty);
        var record = provider == SqlProvider.MySQL ? "mediumtext" : "text";
        string[] indexed = ["client", "sasl_username", "sender", "recipient", "queue_id"];
        return
        [
            new(
                "policyd_decisions",
                [
                    $"CREATE TABLE policyd_decisions (id varchar(20){collation} NOT NULL PRIMARY KEY, at bigint NOT NULL, "
                        + $"node {name} NOT NULL, virtual_host {name}, client varchar(32){collation}, sasl_username {name}, "
                        + $"sender {name}, recipient {name}, queue_id {name}, rule {name}, observed_rule {name}, action {name}, "
                        + $"record {record} NOT NULL){Ascii(provider)}",
                    "CREATE INDEX policyd_decisions_at ON policyd_decisions (at)",
                    .. indexed.Select(static column => $"CREATE INDEX policyd_decisions_{column} ON policyd_decisions ({column}, at)"),
                ]),
        ];
    }

    private static string Name(SqlProvider provider) =>
        provider == SqlProvider.PostgreSQL ? "varchar(255) COLLATE \"C\"" : "varchar(255)";

    private static string Ascii(SqlProvider provider) => provider == SqlProvider.MySQL ? MySqlAscii : string.Empty;
}

/// <summary>A table and the statements that make it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Definition">Its statements; the first makes the table itself.</param>
internal sealed record OwnTable(string Name, params string[] Definition);

/// <summary>A column that a version brought.</summary>
/// <param name="Version">The version.</param>
/// <param name="Table">The table.</param>
/// <param name="Column">The column.</param>
/// <param name="Type">Its type, with a value for the rows that are there.</param>
internal sealed record AddedColumn(int Version, string Table, string Column, string Type);
