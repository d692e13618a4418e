using Policyd.Plugins.Dns;

namespace Policyd.Plugins.Smtp;

/// <summary>
/// Asks mail servers whether they take mail for an address, up to RCPT TO: no mail is sent. A failure is a verdict, never an exception.
/// </summary>
public interface IMailVerifier
{
    /// <summary>Verifies within a time.</summary>
    /// <param name="question">What to ask.</param>
    /// <param name="log">Told of each server what came of it. From the network: the log of a context escapes it.</param>
    /// <param name="time">What is not decided by then is a temporary failure: give it less than the plugin has, as
    /// <see cref="Sources.SourceTime.Of"/> does.</param>
    Task<SmtpVerdict> VerifyAsync(SmtpQuestion question, Action<string> log, TimeSpan time);
}

/// <summary>Makes verifiers.</summary>
internal interface IMailVerifiers
{
    /// <summary>A verifier.</summary>
    /// <param name="dns">The resolver that it asks for the servers of a domain.</param>
    /// <param name="options">How it verifies.</param>
    IMailVerifier Create(IDnsResolver dns, SmtpVerifierOptions options);
}

/// <summary>How a plugin verifies.</summary>
/// <param name="Host">The one server to ask; null: those of the address's domain.</param>
/// <param name="Port">The servers' port.</param>
/// <param name="AllowPrivate">Whether a domain may lead to addresses that are not of the Internet.</param>
/// <param name="ChecksTlsa">Whether to look for TLSA records.</param>
/// <param name="ChecksOpenPgp">Whether to look for OPENPGPKEY records.</param>
public sealed record SmtpVerifierOptions(
    string? Host = null, int Port = 25, bool AllowPrivate = false, bool ChecksTlsa = false, bool ChecksOpenPgp = false);

/// <summary>What is to be asked of a server.</summary>
/// <param name="Helo">The name to greet with.</param>
/// <param name="Sender">Who would send; null: nobody, as of a bounce.</param>
/// <param name="Recipient">The address that is verified.</param>
/// <param name="Size">The mail's size in bytes; 0 when it is not known.</param>
public sealed record SmtpQuestion(string Helo, SmtpAddress? Sender, SmtpAddress Recipient, long Size)
{
    /// <summary>What may be looked up for it: <see cref="Api.PluginContext.Lookups"/>.</summary>
    public DnsBudget Lookups { get; init; } = new();
}
