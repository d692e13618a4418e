namespace HelloWorld;

/// <summary>What is done with a mail.</summary>
public enum HelloMode
{
    /// <summary>It is refused.</summary>
    Reject,

    /// <summary>It gets a header.</summary>
    Header,

    /// <summary>It is scored, no more.</summary>
    Passive,
}
