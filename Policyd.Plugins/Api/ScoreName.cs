using System.Buffers;
using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Api;

/// <summary>
/// The names in a score's details, <c>name=value, name=value</c>. A name may hold an address of the mail, and whoever chose that must not
/// be able to write a detail of his own: what separates details or ends the header's brackets, and all that is not printable ASCII, is put
/// as <c>%XX</c> for each byte of its UTF-8, as in URLs. So the escaped name is ASCII on one line, and two names are never written the
/// same.
/// </summary>
public static class ScoreName
{
    // Longer than any address (RFC 5321, section 4.5.3.1); a header is no place for more.
    private const int Longest = 400;

    private static readonly SearchValues<char> s_plain = SearchValues.Create(
        " !#$&'*+-./0123456789:<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>The name as it stands in the details.</summary>
    /// <param name="name">Any text.</param>
    public static string Escape(string name)
    {
        if (name.Length <= Longest && !name.AsSpan().ContainsAnyExcept(s_plain))
        {
            return name;
        }

        var escaped = new StringBuilder(name.Length + 16);
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in name.EnumerateRunes())
        {
            if (rune.IsAscii && s_plain.Contains((char)rune.Value))
            {
                escaped.Append((char)rune.Value);
            }
            else
            {
                foreach (var part in bytes[..rune.EncodeToUtf8(bytes)])
                {
                    escaped.Append(CultureInfo.InvariantCulture, $"%{part:X2}");
                }
            }

            if (escaped.Length > Longest)
            {
                return escaped.ToString(0, Longest) + "...";
            }
        }

        return escaped.ToString();
    }
}
