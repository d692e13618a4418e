// What a client sends ends up in log lines. A line feed in it would forge a line, ESC or a C1 code would drive the
// terminal of whoever reads the log, and a bidirectional override would show a line in another order than it has.

using System.Buffers;
using System.Globalization;
using System.Text;

namespace Policyd.Server.Logging;

internal static class LogText
{
    /// <summary>The longest text of one line, in UTF-16 units; rsyslog's own limit on a message is 8 KiB.</summary>
    public const int MaxLength = 8000;

    private static readonly SearchValues<char> s_suspect = SearchValues.Create(
        [.. Enumerable.Range(0, char.MaxValue + 1).Select(code => (char)code).Where(c => NeedsEscape(c) || char.IsSurrogate(c))]);

    /// <summary>
    /// The text on one line: whatever could forge, hide or reorder something is written as <c>\n</c>, <c>\x1b</c> or <c>\u202e</c>.
    /// </summary>
    public static string OneLine(string text)
    {
        if (text.Length <= MaxLength && !text.AsSpan().ContainsAny(s_suspect))
        {
            return text;
        }

        var line = new StringBuilder(Math.Min(text.Length, MaxLength) + 16);
        for (var i = 0; i < text.Length; i++)
        {
            if (line.Length >= MaxLength)
            {
                return line.Append("...").ToString();
            }

            var c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                line.Append(c).Append(text[++i]);
            }
            else if (NeedsEscape(c) || char.IsSurrogate(c))
            {
                Escape(line, c);
            }
            else
            {
                line.Append(c);
            }
        }

        return line.ToString();
    }

    /// <summary>
    /// An exception as part of one line: the messages of the chain, since an inner one usually holds the reason. The
    /// stack is for those who asked for debug output.
    /// </summary>
    public static string WithException(string text, Exception exception, bool stack)
    {
        var line = new StringBuilder(text);
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            line.Append(line.Length == 0 ? "" : ": ").Append(cause.GetType().Name).Append(": ").Append(cause.Message);
        }

        if (stack && exception.StackTrace is { } trace)
        {
            line.Append(" |").Append(trace.ReplaceLineEndings(" |"));
        }

        return line.ToString();
    }

    private static void Escape(StringBuilder line, char c) => _ = c switch
    {
        '\n' => line.Append("\\n"),
        '\r' => line.Append("\\r"),
        '\t' => line.Append("\\t"),
        < (char)0x100 => line.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
        _ => line.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
    };

    // C0, DEL and C1; then everything Unicode calls a format character (bidi marks, overrides and isolates, joiners, BOM)
    // and its two line separators.
    private static bool NeedsEscape(char c) =>
        char.IsControl(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
