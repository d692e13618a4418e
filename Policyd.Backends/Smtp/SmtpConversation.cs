using System.Globalization;
using Policyd.Plugins.Smtp;

namespace Policyd.Backends.Smtp;

/// <summary>What to do next: say something, or end with what the server has decided.</summary>
/// <param name="Say">The command, without its line end.</param>
/// <param name="Decision">The reply that decides.</param>
/// <param name="IsOfServer">Whether the reply is about us and not about the address: another server of the domain may have a better
/// one.</param>
internal readonly record struct SmtpMove(string? Say, SmtpReply? Decision, bool IsOfServer);

/// <summary>
/// The client's side of a callout, up to RCPT TO, without any socket: a reply in, the next move out. STARTTLS is only looked for, as
/// mtpolicyd does: nothing that needs protection is said.
/// </summary>
internal sealed class SmtpConversation(SmtpQuestion question)
{
    private State _state = State.Greeting;
    private bool _hasSize;
    private bool _hasUtf8;

    private enum State
    {
        Greeting,
        Ehlo,
        Helo,
        Mail,
        Recipient,
    }

    /// <summary>Whether the server offers STARTTLS (RFC 3207); null until it has said what it offers.</summary>
    public bool? HasStartTls { get; private set; }

    /// <summary>Whether the server has greeted and taken part until the mail's addresses were named.</summary>
    public bool HasNamedAddresses => _state >= State.Mail;

    /// <exception cref="SmtpException">The reply has no meaning here.</exception>
    public SmtpMove Next(SmtpReply reply)
    {
        if (!reply.IsPositive && !reply.IsTransient && !reply.IsPermanent)
        {
            throw new SmtpException($"it answered with the unexpected code {reply.Code}");
        }

        switch (_state)
        {
            case State.Greeting when reply.IsPositive:
                return Say(State.Ehlo, "EHLO " + question.Helo);
            case State.Ehlo when reply.IsPositive:
                Learn(reply);
                return Mail();
            case State.Ehlo when reply.IsPermanent:
                return Say(State.Helo, "HELO " + question.Helo);
            case State.Helo when reply.IsPositive:
                HasStartTls = false;
                return Mail();
            case State.Mail when reply.IsPositive:
                return Say(State.Recipient, "RCPT TO:" + question.Recipient.Path);
            default:
                return new SmtpMove(null, reply, _state < State.Mail);
        }
    }

    private SmtpMove Mail()
    {
        if (question.Recipient.NeedsUtf8 && !_hasUtf8)
        {
            return new SmtpMove(null, new SmtpReply(550, ["5.6.7 the address needs SMTPUTF8, which its server does not offer"]), false);
        }

        // Of no use to the server: the sender is not what is verified.
        var sender = question.Sender is { NeedsUtf8: true } && !_hasUtf8 ? null : question.Sender;
        var size = _hasSize && question.Size > 0 ? string.Create(CultureInfo.InvariantCulture, $" SIZE={question.Size}") : "";
        var utf8 = sender is { NeedsUtf8: true } || question.Recipient.NeedsUtf8 ? " SMTPUTF8" : "";
        return Say(State.Mail, $"MAIL FROM:{sender?.Path ?? "<>"}{size}{utf8}");
    }

    private SmtpMove Say(State next, string command)
    {
        _state = next;
        return new SmtpMove(command, null, false);
    }

    private void Learn(SmtpReply reply)
    {
        HasStartTls = false;
        foreach (var line in reply.Lines.Skip(1))
        {
            switch (line.Split(' ', 2)[0].ToUpperInvariant())
            {
                case "STARTTLS":
                    HasStartTls = true;
                    break;
                case "SIZE":
                    _hasSize = true;
                    break;
                case "SMTPUTF8":
                    _hasUtf8 = true;
                    break;
            }
        }
    }
}
