using System.Globalization;

namespace Policyd.Plugins.Perl;

/// <summary>
/// Numbers as operators know them from mtpolicyd: a score prints as <c>5</c>, <c>-1</c>, <c>2.5</c>, a sum of 0.1 and 0.2 as
/// <c>0.3</c>, and a text compares by the number that it begins with.
/// </summary>
public static class PerlNumber
{
    /// <summary>The number with at most 15 significant digits and no needless ones (C's <c>%.15g</c>).</summary>
    /// <param name="value">The number.</param>
    public static string Format(double value)
    {
        if (value == Math.Truncate(value) && Math.Abs(value) < 1e15)
        {
            return ((long)value).ToString(CultureInfo.InvariantCulture);
        }

        return double.IsNaN(value) ? "NaN"
            : double.IsInfinity(value) ? (value > 0 ? "Inf" : "-Inf")
            : value.ToString("G15", CultureInfo.InvariantCulture).Replace('E', 'e');
    }

    /// <summary>The number that a text begins with, after white space; 0 when it begins with none. Never fails.</summary>
    /// <param name="text">The text.</param>
    public static double Parse(string? text)
    {
        var rest = text.AsSpan().TrimStart(" \t\n\r\f\v");
        var end = rest.Length > 0 && rest[0] is '+' or '-' ? 1 : 0;
        var whole = Digits(rest, ref end);
        if (end < rest.Length && rest[end] == '.')
        {
            end++;
            whole += Digits(rest, ref end);
        }

        if (whole == 0)
        {
            return 0;
        }

        var exponent = end;
        if (exponent < rest.Length && rest[exponent] is 'e' or 'E')
        {
            exponent++;
            if (exponent < rest.Length && rest[exponent] is '+' or '-')
            {
                exponent++;
            }

            if (Digits(rest, ref exponent) > 0)
            {
                end = exponent;
            }
        }

        return double.Parse(rest[..end], NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    private static int Digits(ReadOnlySpan<char> text, ref int at)
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        return at - start;
    }
}
