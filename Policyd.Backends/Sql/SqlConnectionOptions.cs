using System.ComponentModel;
using Policyd.Backends.Dsn;
using Policyd.Configuration.Options;
using Policyd.Plugins.Connections;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>The options of a connection with <c>module = Sql</c>.</summary>
[ConnectionModule("Sql")]
public sealed class SqlConnectionOptions
{
    /// <summary>Where the database is: Perl's DBI form or a .NET connection string.</summary>
    [Description("Data source: dbi:SQLite:dbname=FILE, dbi:mysql:database=D;host=H, dbi:Pg:dbname=D;host=H, or a .NET connection string"),
     SecretInDsn]
    public required SqlDsn Dsn { get; set; }

    /// <summary>The user; wins over one in the data source.</summary>
    [Description("User name")]
    public string? User { get; set; }

    /// <summary>The password; wins over one in the data source. Never shown.</summary>
    [Description("Password"), SecretOption]
    public string? Password { get; set; }

    /// <summary>The kind of database, where the data source does not tell.</summary>
    [Description("SQLite, PostgreSQL or MySQL (also for MariaDB); required only when the dsn does not tell the provider")]
    public SqlProvider? Provider { get; set; }

    /// <summary>What is wrong with the options together; null when nothing is. The message holds no secret.</summary>
    public string? Check()
    {
        try
        {
            _ = SqlDatabase.Settings(this);
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }

    /// <summary>Neither user nor password is in it.</summary>
    public override string ToString() => $"{Provider ?? Dsn.Provider}: {Dsn}";
}
