using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Plugins.Idna;

namespace Policyd.Plugins.Perl;

/// <summary>
/// Escapes of Perl that stand for characters: <c>\p{…}</c> for the many of a property, <c>\x{…}</c>, <c>\o{…}</c> and <c>\N{U+…}</c> for
/// one.
/// </summary>
internal static partial class PerlCodePoints
{
    /// <summary>Whether an escape of a property begins here.</summary>
    public static bool IsProperty(string text, int at) => at + 1 < text.Length && text[at] == '\\' && text[at + 1] is 'p' or 'P';

    /// <summary>Reads <c>\pL</c>, <c>\p{Han}</c>, <c>\P{Han}</c>, <c>\p{^Han}</c>.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="at">Where the escape begins; behind it when it was read.</param>
    /// <param name="set">The characters of the property.</param>
    /// <param name="isNegated">Whether all others are meant.</param>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? ReadProperty(string text, ref int at, out CodePointSet? set, out bool isNegated)
    {
        (set, isNegated) = (null, text[at + 1] == 'P');
        if (at + 2 >= text.Length)
        {
            return $@"\{text[at + 1]} has no property after it";
        }

        var isBraced = text[at + 2] == '{';
        var close = isBraced ? text.IndexOf('}', at) : at + 2;
        if (close < 0)
        {
            return $@"\{text[at + 1]}{{ has no closing brace";
        }

        var name = isBraced ? text[(at + 3)..close].Trim() : text[(at + 2)..(at + 3)];
        if (name.StartsWith('^'))
        {
            (name, isNegated) = (name[1..].Trim(), !isNegated);
        }

        if (!UnicodeProperties.Instance.TryFind(name, out set, out var error))
        {
            return error;
        }

        at = close + 1;
        return null;
    }

    /// <summary>Reads <c>\x{…}</c>, <c>\o{…}</c> or <c>\N{U+…}</c>.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="at">Where the escape begins; behind it when it was read.</param>
    /// <param name="point">The code point; -1 when this is none of these escapes.</param>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? ReadBraced(string text, ref int at, out int point)
    {
        point = -1;
        var braced = Braced().Match(text, at, Math.Min(text.Length - at, 64));
        if (!braced.Success)
        {
            return null;
        }

        var digits = braced.Groups[1].Success ? braced.Groups[1].Value : braced.Groups[2].Value.TrimStart('0');
        var isRead = braced.Groups[1].Success
            ? int.TryParse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out point)
            : digits.Length <= 7 && (point = digits.Length == 0 ? 0 : Convert.ToInt32(digits, 8)) >= 0;
        if (!isRead || point is < 0 or > 0x10FFFF)
        {
            return $"there is no character {braced.Value}";
        }

        at += braced.Length;
        return null;
    }

    /// <summary>The characters that a shorthand or class of ASCII has, of which a pattern of .NET is known.</summary>
    public static CodePointSet Of(string pattern) =>
        CodePointSet.Of(Enumerable.Range(0, 0x2030)
            .Where(point => Regex.IsMatch(((char)point).ToString(), pattern))
            .Select(static point => (point, point)));

    /// <summary>How .NET writes a code point outside of a class.</summary>
    public static string Pattern(int point) =>
        point < 0x10000
            ? string.Create(CultureInfo.InvariantCulture, $@"\u{point:x4}")
            : CodePointSet.Of([(point, point)]).ToPattern(false);

    [GeneratedRegex(@"\G\\(?:(?:x\{|N\{U\+)([0-9A-Fa-f]+)\}|o\{([0-7]+)\})")]
    private static partial Regex Braced();
}
