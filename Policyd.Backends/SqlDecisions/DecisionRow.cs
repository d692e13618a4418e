using LinqToDB;
using LinqToDB.Mapping;

namespace Policyd.Backends.SqlDecisions;

/// <summary>
/// A decision in the table <c>policyd_decisions</c>: what is searched for has columns, in the form of <see cref="DecisionKey"/>; the whole
/// of it is one JSON object. The object is ASCII: JSON writes every other character as an escape, so that each database can hold it.
/// </summary>
[Table("policyd_decisions")]
public sealed record DecisionRow
{
    /// <summary>The decision's name.</summary>
    [Column("id"), PrimaryKey]
    public required string Id { get; init; }

    /// <summary>When the answer was known, in milliseconds since 1970.</summary>
    [Column("at")]
    public required long At { get; init; }

    /// <summary>The server that decided.</summary>
    [Column("node")]
    public required string Node { get; init; }

    /// <summary>The virtual host.</summary>
    [Column("virtual_host")]
    public string? VirtualHost { get; init; }

    /// <summary>The client's address, as 32 hexadecimal digits: a network is a range of them.</summary>
    [Column("client")]
    public string? Client { get; init; }

    /// <summary>The user who logged in.</summary>
    [Column("sasl_username")]
    public string? User { get; init; }

    /// <summary>The sender; empty for a bounce.</summary>
    [Column("sender")]
    public string? Sender { get; init; }

    /// <summary>The recipient.</summary>
    [Column("recipient")]
    public string? Recipient { get; init; }

    /// <summary>Postfix's queue id.</summary>
    [Column("queue_id")]
    public string? QueueId { get; init; }

    /// <summary>The plugin that decided, or that failed.</summary>
    [Column("rule")]
    public string? Rule { get; init; }

    /// <summary>The first plugin that is observed and would have withheld the mail.</summary>
    [Column("observed_rule")]
    public string? ObservedRule { get; init; }

    /// <summary>The first word of the action, in lower case; null when there was no answer.</summary>
    [Column("action")]
    public string? Action { get; init; }

    /// <summary>The decision as a JSON object. As another type its parameter would be cut at 255 characters on SQLite.</summary>
    [Column("record", DataType = DataType.Text)]
    public required string Record { get; init; }
}
