using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Policyd.Fuzz.Harness;

/// <summary>The product and the plain reader disagree, or an invariant does not hold.</summary>
internal sealed class MismatchException(string message) : Exception(message);

/// <summary>The checks of targets. A failed one shows both sides.</summary>
internal static class Check
{
    public static void That([DoesNotReturnIf(false)] bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new MismatchException(otherwise);
        }
    }

    public static void Same(string expected, string actual, string what)
    {
        if (!string.Equals(expected, actual, StringComparison.Ordinal))
        {
            throw new MismatchException($"{what}: expected {Shown(expected)}, found {Shown(actual)}");
        }
    }

    public static void Same(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string what)
    {
        if (!expected.SequenceEqual(actual))
        {
            throw new MismatchException($"{what}: expected {Shown(Encoding.Latin1.GetString(expected))}, found "
                + $"{Shown(Encoding.Latin1.GetString(actual))}");
        }
    }

    /// <summary>A text fit for a terminal: what is not printable ASCII is escaped.</summary>
    public static string Shown(string text)
    {
        const int Most = 400;
        var shown = new StringBuilder("\"");
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, Most)))
        {
            _ = c is >= ' ' and <= '~' ? shown.Append(c) : shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }

        return shown.Append(text.Length > Most ? "…\"" : "\"").ToString();
    }
}
