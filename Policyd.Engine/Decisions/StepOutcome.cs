namespace Policyd.Engine.Decisions;

/// <summary>What became of one run of one plugin.</summary>
public enum StepOutcome
{
    /// <summary>It said nothing, and the chain went on.</summary>
    Nothing,

    /// <summary>It answered an action, and the chain ended.</summary>
    Answered,

    /// <summary>It added an action, and the chain went on.</summary>
    Added,

    /// <summary>It ended the chain without an action.</summary>
    Aborted,

    /// <summary>It failed, was too late, or was not done when the request was answered.</summary>
    Failed,

    /// <summary>What it would have answered is known, and nothing came of it.</summary>
    Observed,

    /// <summary>It was not run: a rehearsal, and its module does not declare its side effects.</summary>
    NotRun,
}
