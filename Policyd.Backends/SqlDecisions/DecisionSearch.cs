namespace Policyd.Backends.SqlDecisions;

/// <summary>Which decisions are looked for: those that have all that is given. Null is any.</summary>
public sealed record DecisionSearch
{
    /// <summary>The decision's name.</summary>
    public string? Id { get; init; }

    /// <summary>No older than this.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>The user who logged in, in any case.</summary>
    public string? User { get; init; }

    /// <summary>The client's network: <see cref="DecisionKey.RangeOf"/>.</summary>
    public (string First, string Last)? Clients { get; init; }

    /// <summary>The sender, in any case; empty: of a bounce.</summary>
    public string? Sender { get; init; }

    /// <summary>The recipient, in any case.</summary>
    public string? Recipient { get; init; }

    /// <summary>Postfix's queue id.</summary>
    public string? QueueId { get; init; }

    /// <summary>The plugin that decided, or the first that is observed and would have withheld the mail.</summary>
    public string? Rule { get; init; }

    /// <summary>
    /// The kind of action, as <c>policyd trace</c> takes it: the first word in any case; <c>reject</c> has 5NN too, <c>defer</c> 4NN and
    /// <c>defer_if_…</c>; <c>none</c>: no answer.
    /// </summary>
    public string? Action { get; init; }

    /// <summary>How many are found at most, the newest of them.</summary>
    public int Limit { get; init; } = int.MaxValue;

    internal IQueryable<DecisionRow> In(IQueryable<DecisionRow> rows)
    {
        if (Id is { } id)
        {
            rows = rows.Where(row => row.Id == id);
        }

        if (Since is { } since)
        {
            var at = since.ToUnixTimeMilliseconds();
            rows = rows.Where(row => row.At >= at);
        }

        if (Clients is var (first, last))
        {
            rows = rows.Where(row => LinqToDB.Sql.Between(row.Client!, first, last));
        }

        if (DecisionKey.Exact(QueueId) is { } queueId)
        {
            rows = rows.Where(row => row.QueueId == queueId);
        }

        rows = OfPeople(OfAction(rows));
        if (DecisionKey.Exact(Rule) is { } rule)
        {
            rows = rows.Where(row => row.Rule == rule || row.ObservedRule == rule);
        }

        return rows.OrderByDescending(row => row.At).ThenByDescending(row => row.Id).Take(Limit);
    }

    private IQueryable<DecisionRow> OfPeople(IQueryable<DecisionRow> rows)
    {
        if (DecisionKey.AnyCase(User) is { } user)
        {
            rows = rows.Where(row => row.User == user);
        }

        if (DecisionKey.AnyCase(Sender) is { } sender)
        {
            rows = rows.Where(row => row.Sender == sender);
        }

        return DecisionKey.AnyCase(Recipient) is { } recipient ? rows.Where(row => row.Recipient == recipient) : rows;
    }

    private IQueryable<DecisionRow> OfAction(IQueryable<DecisionRow> rows) => DecisionKey.AnyCase(Action) switch
    {
        null => rows,
        "none" => rows.Where(row => row.Action == null),
        "reject" => rows.Where(row => row.Action == "reject" || LinqToDB.Sql.Like(row.Action, "5__")),
        "defer" => rows.Where(row => row.Action == "defer" || row.Action == "defer_if_permit" || row.Action == "defer_if_reject"
            || LinqToDB.Sql.Like(row.Action, "4__")),
        var word => rows.Where(row => row.Action == word),
    };
}
