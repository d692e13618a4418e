namespace Policyd.Engine.Decisions;

/// <summary>How much of a request's way through its chain is recorded: as much as somebody listens to.</summary>
public enum DecisionDepth : byte
{
    /// <summary>Nothing: a plugin costs one look whether there is a recorder.</summary>
    None,

    /// <summary>What each plugin answered, and how long it took.</summary>
    Steps,

    /// <summary>Also what each plugin read, what it compared that with, and what it concluded.</summary>
    Facts,
}
