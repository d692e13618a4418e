using System.Globalization;
using System.Text;
using Policyd.Backends.Smtp;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Smtp;

namespace Policyd.Fuzz.Targets;

/// <summary>What an SMTP server says during a callout: the dialogue of its replies.</summary>
internal sealed class SmtpReplyTarget() : FuzzTarget(
    "smtp-reply",
    "replies are those of a reader that splits text into lines, in any cut; what is said next is always one line of a command",
    new AllocationBound(64 * 1024, 800))
{
    private static readonly SmtpQuestion s_question = new("mx.example.org", SmtpAddress.Parse("sender@example.org"),
        SmtpAddress.Parse("grüße@example.net")!, 1000);

    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "220 mx.example.net ESMTP\r\n250-mx.example.net\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n250 2.1.0 Ok\r\n250 "
            + "2.1.5 Ok\r\n",
        "220 x\r\n502 5.5.2 unknown\r\n250 mx\r\n250 ok\r\n550-5.1.1 The account does not exist.\r\n550-5.1.1 Please try\r\n550 5.1.1 "
            + "again\r\n",
        "554 5.7.1 go away\r\n",
        "220-a\n220-\n220\n421 4.3.2 shutting down\n");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "220 250 250- 251 354 421 450 451 500 550 550- 554 600 199 STARTTLS SIZE SMTPUTF8 5.7.1 4.2.0", "\r\n", "\n", "\r", "250-x\r\n",
            "250 ok\r\n", " ", "-", "\0", "\u00e4");

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var conversation = new SmtpConversation(s_question);
        var rest = input;
        for (var replies = 0; ; replies++)
        {
            var (expected, consumed, problem) = PlainSmtpReader.Read(rest);
            if (problem is not null || consumed < rest.Length)
            {
                CheckRefused(rest, meter);
            }

            if (problem is not null)
            {
                return Outcome.Rejected(problem);
            }

            var first = rest[..consumed];
            var read = meter.Run(() => ReadAll(first));
            Check.Same(expected ?? "(unfinished)", read is null ? "(unfinished)" : Described(read), "the reply");
            if (read is null || Ends(conversation, read, meter))
            {
                return read is null ? Outcome.Rejected($"unfinished after {replies}")
                    : Outcome.Accepted($"{replies} replies, {read.Code / 100}");
            }

            rest = rest[consumed..];
        }
    }

    private static SmtpReply? ReadAll(byte[] bytes)
    {
        var reader = new SmtpReplyReader();
        SmtpReply? reply = null;
        foreach (var piece in Texts.Pieces(bytes))
        {
            reply = reader.Read(piece) ?? reply;
        }

        return reply;
    }

    private static void CheckRefused(byte[] bytes, Meter meter)
    {
        try
        {
            meter.Run(() => new SmtpReplyReader().Read(bytes));
        }
        catch (SmtpException)
        {
            return;
        }

        throw new MismatchException("a reply is taken that the plain reader refuses, or that has more behind it");
    }

    private static bool Ends(SmtpConversation conversation, SmtpReply reply, Meter meter)
    {
        try
        {
            var move = meter.Run(() => conversation.Next(reply));
            Check.That((move.Say is null) != (move.Decision is null), "a move says something or ends, one of both");
            Check.That(move.Say is null || !move.Say.Any(char.IsControl), $"a command is more than a line: {Check.Shown(move.Say ?? "")}");
            Check.That(reply.Text.All(static c => c is >= ' ' and <= '~') && reply.Text.Length <= 300,
                "the text of a reply cannot be shown");
            return move.Say is null;
        }
        catch (SmtpException)
        {
            return true;
        }
    }

    private static string Described(SmtpReply reply) =>
        string.Create(CultureInfo.InvariantCulture, $"{reply.Code}\n{string.Join('\n', reply.Lines)}");
}

/// <summary>Replies of SMTP (RFC 5321, section 4.2), read plainly: the whole text, split into lines.</summary>
internal static class PlainSmtpReader
{
    private const int MostLineBytes = 2048;
    private const int MostLines = 100;

    /// <summary>The first reply, null while it is unfinished; how many bytes it has; or what is wrong with it.</summary>
    public static (string? Reply, int Consumed, string? Problem) Read(byte[] bytes)
    {
        var text = Encoding.Latin1.GetString(bytes);
        var lines = new List<string>();
        var at = 0;
        while (true)
        {
            var end = text.IndexOf('\n', at);
            if ((end < 0 ? text.Length : end) - at > MostLineBytes)
            {
                return (null, 0, "long line");
            }

            if (end < 0)
            {
                return (null, bytes.Length, null);
            }

            var line = text[at..end];
            line = line.EndsWith('\r') ? line[..^1] : line;
            at = end + 1;
            if (Problem(line, lines) is { } problem)
            {
                return (null, 0, problem);
            }

            lines.Add(line);
            if (line.Length == 3 || line[3] == ' ')
            {
                var texts = lines.Select(static one => string.Concat(one.Skip(4).Select(static c => c is >= ' ' and <= '~' ? c : '?')));
                return ($"{line[..3]}\n{string.Join('\n', texts)}", at, null);
            }
        }
    }

    private static string? Problem(string line, List<string> before) =>
        line.Length < 3 || line[0] is < '2' or > '5' || !char.IsAsciiDigit(line[1]) || !char.IsAsciiDigit(line[2])
            || (line.Length > 3 && line[3] is not (' ' or '-')) ? "no SMTP"
        : before.Count > 0 && before[0][..3] != line[..3] ? "two codes"
        : before.Count == MostLines ? "too many lines"
        : null;
}
