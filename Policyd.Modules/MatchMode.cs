namespace Policyd.Modules;

/// <summary>What an action module does with a mail that matches: GeoIPAction, SaAwlAction.</summary>
public enum MatchMode
{
    /// <summary>The mail is rejected.</summary>
    Reject,

    /// <summary>The chain ends, and the mail goes on.</summary>
    Accept,

    /// <summary>As <see cref="Accept"/>, by the name of its answer.</summary>
    Dunno,

    /// <summary>Only the score is added.</summary>
    Passive,
}
