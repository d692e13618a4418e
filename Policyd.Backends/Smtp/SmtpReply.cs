using Policyd.Plugins.Smtp;

namespace Policyd.Backends.Smtp;

/// <summary>A server's reply (RFC 5321, section 4.2): its code and the texts of its lines, printable ASCII each.</summary>
internal sealed record SmtpReply(int Code, IReadOnlyList<string> Lines)
{
    // Longer ones do not fit into the reply that they may end up in, nor into a session.
    private const int MostTextCharacters = 300;

    public bool IsPositive => Code / 100 == 2;

    public bool IsTransient => Code / 100 == 4;

    public bool IsPermanent => Code / 100 == 5;

    /// <summary>What the reply says of the address that was asked about.</summary>
    public SmtpVerdict Verdict =>
        new(IsPositive ? SmtpOutcome.Accepted : IsTransient ? SmtpOutcome.Temporary : SmtpOutcome.Permanent, Text);

    /// <summary>
    /// The texts as one line. A status code (RFC 3463) that every line repeats stands at its beginning only; one of another class than the
    /// code, as of "550 4.7.1 try again", is left out: in an answer of Postfix it would contradict that.
    /// </summary>
    public string Text
    {
        get
        {
            var status = Lines[0].Split(' ', 2)[0] + " ";
            var isStatus = status.Length >= 6 && status[1] == '.' && status.All(static c => char.IsAsciiDigit(c) || c is '.' or ' ');
            var kept = isStatus && status[0] - '0' == Code / 100 ? 1 : 0;
            var text = string.Join(' ', Lines.Select((line, index) => index >= kept
                && isStatus
                && line.StartsWith(status, StringComparison.Ordinal) ? line[status.Length..] : line)).Trim();
            return text.Length > MostTextCharacters ? text[..MostTextCharacters] : text;
        }
    }
}

/// <summary>What a server said is no SMTP, or it went away in the middle; the message is for the log.</summary>
internal sealed class SmtpException(string message) : Exception(message);
