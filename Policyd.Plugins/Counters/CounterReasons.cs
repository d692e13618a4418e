namespace Policyd.Plugins.Counters;

/// <summary>The reasons as logs and metrics name them.</summary>
public static class CounterReasons
{
    /// <summary>The name of the tag that metrics have the reason under.</summary>
    public const string TagName = "reason";

    /// <summary>The reason in one word.</summary>
    /// <param name="reason">The reason.</param>
    public static string Name(this CounterReason reason) => reason switch
    {
        CounterReason.None => "none",
        CounterReason.Database => "database",
        CounterReason.Owner => "owner",
        CounterReason.Quorum => "quorum",
        _ => "spool",
    };

    /// <summary>The reason for a line of the log, its word first.</summary>
    /// <param name="reason">The reason.</param>
    public static string Describe(this CounterReason reason) => reason switch
    {
        CounterReason.None => "none",
        CounterReason.Database => "database: it is unavailable",
        CounterReason.Owner => "owner: no answer in time",
        CounterReason.Quorum => "quorum: this node is cut off from most of its cluster",
        _ => "spool: the database is unavailable, and the spool takes nothing",
    };

    /// <summary>The reason as a tag of a metric.</summary>
    /// <param name="reason">The reason.</param>
    public static KeyValuePair<string, object?> Tag(this CounterReason reason) => new(TagName, reason.Name());
}
