using System.Text;
using System.Text.Unicode;

namespace Policyd.Modules.Texts;

// Texts of DNS records have a character for each byte. What lists and domains write beyond ASCII is UTF-8 as a rule.
internal static class TextOfBytes
{
    /// <summary>The text for people: as UTF-8, where its bytes are that, else a character for each byte.</summary>
    /// <param name="bytes">A character for each byte; a text with other characters stays as it is.</param>
    public static string ForPeople(string bytes)
    {
        if (Ascii.IsValid(bytes) || bytes.AsSpan().ContainsAnyExceptInRange('\0', '\xff'))
        {
            return bytes;
        }

        var utf8 = Encoding.Latin1.GetBytes(bytes);
        return Utf8.IsValid(utf8) ? Encoding.UTF8.GetString(utf8) : bytes;
    }
}
