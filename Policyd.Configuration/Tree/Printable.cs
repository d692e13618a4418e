using System.Globalization;
using System.Text;

namespace Policyd.Configuration.Tree;

/// <summary>Makes text from a file fit for a terminal or a log: a file may hold an escape sequence, a message must not.</summary>
internal static class Printable
{
    private const int MaxQuoted = 80;

    /// <summary>The text on one line, control characters as <c>\xNN</c>.</summary>
    public static string Line(string text)
    {
        if (!text.Any(NeedsEscape))
        {
            return text;
        }

        var line = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            if (NeedsEscape(c))
            {
                line.Append(CultureInfo.InvariantCulture, $"{(c < 0x100 ? "\\x" : "\\u")}{(int)c:x2}");
            }
            else
            {
                line.Append(c);
            }
        }

        return line.ToString();
    }

    /// <summary>The text in quotes, shortened when it is long.</summary>
    public static string Quote(string text) =>
        text.Length <= MaxQuoted ? $"\"{text}\"" : $"\"{text.AsSpan(0, MaxQuoted - 1)}…\"";

    private static bool NeedsEscape(char c) => char.IsControl(c) || c is '\u2028' or '\u2029';
}
