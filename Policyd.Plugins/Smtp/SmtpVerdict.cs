namespace Policyd.Plugins.Smtp;

/// <summary>Whether a server takes mail for an address.</summary>
public enum SmtpOutcome
{
    /// <summary>It does.</summary>
    Accepted,

    /// <summary>Not now, or nobody knows.</summary>
    Temporary,

    /// <summary>It does not.</summary>
    Permanent,
}

/// <summary>What was found out of an address. A session can keep it.</summary>
/// <param name="Outcome">Whether mail for it is taken.</param>
/// <param name="Message">The server's answer, or why there is none: one line of printable ASCII.</param>
public sealed record SmtpVerdict(SmtpOutcome Outcome, string Message)
{
    /// <summary>Whether the server offers STARTTLS; null when it did not come so far.</summary>
    public bool? HasStartTls { get; init; }

    /// <summary>Whether there is an authenticated TLSA record of the server; null when it is not known.</summary>
    public bool? HasTlsa { get; init; }

    /// <summary>Whether there is an OPENPGPKEY record of the address; null when it is not known.</summary>
    public bool? HasOpenPgpKey { get; init; }

    /// <summary>Whether no server was there to answer.</summary>
    public bool IsUnreachable { get; init; }

    /// <summary>A verdict for now.</summary>
    /// <param name="message">Why.</param>
    public static SmtpVerdict Temporary(string message) => new(SmtpOutcome.Temporary, message);

    /// <summary>A verdict that will not change.</summary>
    /// <param name="message">Why.</param>
    public static SmtpVerdict Permanent(string message) => new(SmtpOutcome.Permanent, message);
}
