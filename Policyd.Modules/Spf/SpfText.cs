using System.Globalization;
using System.Text;

namespace Policyd.Modules.Spf;

// What a check says goes into answers, sessions and logs, and half of it comes from the network.
internal static class SpfText
{
    // More than fits an answer, less than a stranger would like a session to hold.
    private const int MostLength = 512;

    /// <summary>The text without what is too long.</summary>
    public static string Shorten(string text) => text.Length > MostLength ? text[..MostLength] : text;

    /// <summary>
    /// The text whose characters are the bytes: a check has texts of DNS and of the request beside each other, and neither needs be UTF-8.
    /// </summary>
    public static string OfBytes(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>The text short and in printable ASCII; what is not is written by its bytes in the encoding, <c>\xNN</c>.</summary>
    public static string Printable(string text, Encoding encoding)
    {
        text = Shorten(text);
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return text;
        }

        var safe = new StringBuilder(text.Length + 16);
        foreach (var b in encoding.GetBytes(text))
        {
            if (b is >= (byte)' ' and <= (byte)'~')
            {
                safe.Append((char)b);
            }
            else
            {
                safe.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
            }
        }

        return Shorten(safe.ToString());
    }
}
