namespace Policyd.Plugins.Sql;

/// <summary>The databases that a Sql connection speaks to. Their names in a configuration are those of the members, in any case.</summary>
public enum SqlProvider
{
    /// <summary>SQLite, embedded.</summary>
    SQLite,

    /// <summary>PostgreSQL.</summary>
    PostgreSQL,

    /// <summary>MySQL and MariaDB, which speak one protocol.</summary>
    MySQL,
}
