using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Policyd.Counting.Store;

/// <summary>
/// The text under which a key stands in a table. Nearly always the key itself. What a column cannot hold (longer than it, a NUL,
/// half a surrogate pair, a character outside its character set) becomes a legible beginning, <c>#</c> and 128 bits of SHA-256 of
/// the whole key: stable, and distinct for distinct keys. Done twice it changes nothing.
/// </summary>
public static class CounterKeyText
{
    /// <summary>The longest key that new tables hold, as mtpolicyd's do.</summary>
    public const int MaxLength = 255;

    private const int HashDigits = 32;
    private static readonly SearchValues<char> s_plain = SearchValues.Create([.. Enumerable.Range(0x20, 0x5f).Select(c => (char)c)]);

    /// <summary>
    /// The key as the table holds it: in the one spelling of all that the table takes for one key, shortened where it must be.
    /// </summary>
    public static string ForTable(string key, CounterTableInfo table)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(table);
        return Fit(table.Folding.Fold(key), table.MaxKeyLength, table.Repertoire);
    }

    internal static string Fit(string text, int maxLength, TextRepertoire repertoire) =>
        text.Length <= maxLength && (!text.AsSpan().ContainsAnyExcept(s_plain) || IsHeld(text, repertoire))
            ? text
            : Shorten(text, maxLength, repertoire);

    private static bool IsHeld(string text, TextRepertoire repertoire)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            // EnumerateRunes gives U+FFFD for half a pair; a real U+FFFD is treated alike, which costs nothing but a hash.
            if (rune.Value is 0 or 0xFFFD || !IsHeld(rune, repertoire))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsHeld(Rune rune, TextRepertoire repertoire) => repertoire switch
    {
        TextRepertoire.Unicode => true,
        TextRepertoire.BasicPlane => rune.IsBmp,
        TextRepertoire.Latin1 => rune.Value is < 0x80 or (>= 0xA0 and <= 0xFF),
        _ => rune.IsAscii,
    };

    private static string Shorten(string text, int maxLength, TextRepertoire repertoire)
    {
        // UTF-16 as it is: UTF-8 would make all halves of pairs the same three bytes.
        var hash = SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(text.AsSpan()));
        var result = new StringBuilder(maxLength);
        foreach (var rune in text.EnumerateRunes())
        {
            var piece = rune.Value is 0 or 0xFFFD || Rune.IsControl(rune) || !IsHeld(rune, repertoire) ? "?" : rune.ToString();
            if (result.Length + piece.Length > maxLength - HashDigits - 1)
            {
                break;
            }

            result.Append(piece);
        }

        return result.Append('#').Append(Convert.ToHexStringLower(hash.AsSpan(0, HashDigits / 2))).ToString();
    }
}
