namespace Policyd.Protocol;

/// <summary>What Postfix does with an action; access(5).</summary>
public enum ActionKind
{
    /// <summary><c>OK</c>, or digits alone: permit, and look no further in this restriction list.</summary>
    Ok,

    /// <summary><c>RELAY</c>: permit also to relay.</summary>
    Relay,

    /// <summary><c>REJECT [text]</c>: refuse with <c>access_map_reject_code</c>, 554 by default.</summary>
    Reject,

    /// <summary><c>DEFER [text]</c>: refuse for now with 450.</summary>
    Defer,

    /// <summary><c>DEFER_IF_REJECT [text]</c>: a later reject becomes a defer.</summary>
    DeferIfReject,

    /// <summary><c>DEFER_IF_PERMIT [text]</c>: a later permit becomes a defer.</summary>
    DeferIfPermit,

    /// <summary>
    /// <c>4NN text</c> or <c>5NN text</c>: refuse with this code; 421 and 521 disconnect. Without a text it is <see cref="Ok"/>.
    /// </summary>
    ReplyCode,

    /// <summary><c>BCC user@domain</c>.</summary>
    Bcc,

    /// <summary><c>DISCARD [text]</c>: accept and throw away.</summary>
    Discard,

    /// <summary><c>DUNNO</c>: nothing to say.</summary>
    Dunno,

    /// <summary><c>FILTER transport:destination</c>.</summary>
    Filter,

    /// <summary><c>HOLD [text]</c>: put the mail on hold.</summary>
    Hold,

    /// <summary><c>INFO [text]</c>: log only.</summary>
    Info,

    /// <summary><c>WARN [text]</c>: log a warning only.</summary>
    Warn,

    /// <summary><c>PREPEND name: value</c>: add a header.</summary>
    Prepend,

    /// <summary><c>REDIRECT user@domain</c>.</summary>
    Redirect,

    /// <summary>Names of smtpd restrictions or restriction classes, which Postfix goes on with.</summary>
    Restriction,
}
