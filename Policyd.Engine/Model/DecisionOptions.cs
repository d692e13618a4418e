using System.ComponentModel;
using Policyd.Engine.Connections;

namespace Policyd.Engine.Model;

/// <summary>Which decisions are kept.</summary>
public enum KeptDecisions
{
    /// <summary>None.</summary>
    Off,

    /// <summary>
    /// Those that keep a mail from its recipient, or would if a plugin were not observed, and those in which something failed.
    /// </summary>
    Refused,

    /// <summary>All.</summary>
    All,
}

/// <summary>The options of <c>policyd { decisions { } }</c>: decisions are kept in a database, for <c>policyd decisions</c>.</summary>
public sealed class DecisionOptions
{
    /// <summary>The SQL connection.</summary>
    [Description("the SQL connection whose database holds the decisions; on SQLite they are in a file of their own beside its file")]
    public required string Db { get; set; }

    /// <summary>How long a decision is kept.</summary>
    [Description("how long a decision is kept")]
    public TimeSpan Keep { get; set; } = TimeSpan.FromDays(30);

    /// <summary>Which decisions are kept.</summary>
    [Description("refused: mails that were refused or held, would have been by an observed plugin, or had a failure; all; off")]
    public KeptDecisions What { get; set; } = KeptDecisions.Refused;

    /// <summary>Whether what each plugin read is kept too.</summary>
    [Description("on: also keep what each plugin read and compared, as explain shows it; costs more processor time for each request")]
    public bool Facts { get; set; }

    /// <summary>What is wrong with the options together, and with which: the option and the message; null when nothing is.</summary>
    /// <param name="connections">The SQL connections of the configuration.</param>
    public (string Option, string Message)? Check(SqlConnections connections)
    {
        ArgumentNullException.ThrowIfNull(connections);
        return Keep <= TimeSpan.Zero ? ("keep", "must be longer than 0")
            : string.IsNullOrEmpty(Db) ? null   // the binder has demanded it
            : !connections.Contains(Db) ? ("db", $"there is no SQL connection \"{Db}\"")
            : connections.CanHoldDecisions(Db) ? null
            : ("db", $"connection {Db} is read-only, or names its file as a URI: no file for decisions can be made beside it");
    }
}
