namespace Policyd.Engine.Decisions;

/// <summary>
/// What few decisions have: a name, and what those that are observed would have answered. Made with the first of it, so that all other
/// requests carry one reference to nothing.
/// </summary>
public sealed class DecisionRemarks
{
    private string? _id;

    /// <summary>The decision's name; null as long as nobody needs one.</summary>
    public string? Id
    {
        get => Volatile.Read(ref _id);
        init => _id = value;
    }

    /// <summary>
    /// What those that are observed would have answered: <c>PLUGIN: ACTION</c>, several with commas between; null when nobody would have.
    /// </summary>
    public string? Observed { get; internal set; }

    /// <summary>The first plugin that is observed and would have withheld the mail; null when none would have.</summary>
    public string? WouldWithhold { get; internal set; }

    /// <summary>Gives the decision a name, if it has none.</summary>
    /// <param name="now">The time.</param>
    public string Name(DateTimeOffset now) => LazyInitializer.EnsureInitialized(ref _id, () => DecisionId.New(now));
}
