namespace Policyd.Backends.Smtp;

/// <summary>
/// Makes replies of the bytes of a server, in whatever pieces they come. The server is a stranger: lines, and their number, are bounded.
/// </summary>
internal sealed class SmtpReplyReader
{
    // RFC 5321, section 4.5.3.1.5, allows 512; servers that greet at length are known.
    private const int MostLineBytes = 2048;
    private const int MostLines = 100;

    private readonly List<byte> _line = [];
    private readonly List<string> _lines = [];
    private int _code;

    /// <summary>Reads the next piece.</summary>
    /// <returns>The reply that ends with it; null when more is to come.</returns>
    /// <exception cref="SmtpException">This is no reply, or there is more than one: nobody knows then which command the next one
    /// answers.</exception>
    public SmtpReply? Read(ReadOnlySpan<byte> piece)
    {
        for (var at = 0; at < piece.Length; at++)
        {
            if (piece[at] != '\n')
            {
                _line.Add(piece[at]);
                if (_line.Count > MostLineBytes)
                {
                    throw new SmtpException("it sent a line that is too long");
                }
            }
            else if (EndLine())
            {
                if (at + 1 < piece.Length)
                {
                    throw new SmtpException("it sent a reply without a command");
                }

                var reply = new SmtpReply(_code, [.. _lines]);
                _lines.Clear();
                return reply;
            }
        }

        return null;
    }

    // Whether it was the reply's last line.
    private bool EndLine()
    {
        if (_line.Count > 0 && _line[^1] == '\r')
        {
            _line.RemoveAt(_line.Count - 1);
        }

        // What is not ASCII is no reply's text (RFC 5321, section 4.2), and could break the one it would end up in.
        var line = string.Create(_line.Count, _line, static (text, bytes) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                text[i] = bytes[i] is >= (byte)' ' and <= (byte)'~' ? (char)bytes[i] : '?';
            }
        });
        _line.Clear();
        var isLast = line.Length == 3 || (line.Length > 3 && line[3] == ' ');
        if (line.Length < 3
            || line[0] is < '2' or > '5'
            || !char.IsAsciiDigit(line[1])
            || !char.IsAsciiDigit(line[2])
            || (!isLast && line[3] != '-'))
        {
            throw new SmtpException("it does not speak SMTP");
        }

        var code = ((line[0] - '0') * 100) + ((line[1] - '0') * 10) + line[2] - '0';
        if (_lines.Count > 0 && code != _code)
        {
            throw new SmtpException("it sent two codes in one reply");
        }

        if (_lines.Count == MostLines)
        {
            throw new SmtpException("its reply has no end");
        }

        _code = code;
        _lines.Add(line.Length > 4 ? line[4..] : "");
        return isLast;
    }
}
