using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Policyd.Plugins.Counters;

/// <summary>
/// A pattern of strftime, taken apart: what glibc's strftime(3) understands, <c>%[_-0^#]*[width][E|O]conversion</c>. glibc copies what it
/// does not know into its result; here that is an error, since the name of a window would not change with the time.
/// </summary>
internal sealed class StrftimePattern
{
    /// <summary>The time column of a counter table holds so many letters.</summary>
    private const int MostLetters = 255;

    private const string Known = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
    private const string KnownAfterE = "cnprstuxyzCPRTXYZ%";
    private const string KnownAfterO = "bdeghjklmnprstuwyzBCGHIMPRSTUVWZ%";

    private StrftimePattern(IReadOnlyList<StrftimePart> parts) => Parts = parts;

    /// <summary>The texts and conversions in their order.</summary>
    public IReadOnlyList<StrftimePart> Parts { get; }

    public static bool TryParse(string pattern, [NotNullWhen(true)] out StrftimePattern? parsed, [NotNullWhen(false)] out string? error)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        parsed = null;
        var parts = new List<StrftimePart>();
        for (var at = 0; at < pattern.Length;)
        {
            var percent = pattern.IndexOf('%', at);
            if (percent != at)
            {
                var end = percent < 0 ? pattern.Length : percent;
                parts.Add(new StrftimePart(pattern[at..end], default));
                at = end;
            }
            else if (ReadConversion(pattern, ref at, out var conversion) is { } problem)
            {
                error = problem;
                return false;
            }
            else
            {
                parts.Add(new StrftimePart(null, conversion));
            }
        }

        error = parts.Sum(part => part.Text?.Length ?? part.Conversion.Width) > MostLetters
            ? $"its texts are longer than the column of the table ({MostLetters} characters)"
            : null;
        parsed = error is null ? new StrftimePattern(parts) : null;
        return error is null;
    }

    private static string? ReadConversion(string pattern, ref int at, out StrftimeConversion conversion)
    {
        var start = at++;
        var (pad, upper, swap) = ('\0', false, false);
        for (; at < pattern.Length && pattern[at] is '_' or '-' or '0' or '^' or '#'; at++)
        {
            upper |= pattern[at] == '^';
            swap |= pattern[at] == '#';
            pad = pattern[at] is '^' or '#' ? pad : pattern[at];
        }

        var width = 0;
        for (; at < pattern.Length && char.IsAsciiDigit(pattern[at]); at++)
        {
            width = Math.Min(MostLetters + 1, (width * 10) + pattern[at] - '0');
        }

        var modifier = at < pattern.Length && pattern[at] is 'E' or 'O' ? pattern[at++] : '\0';
        conversion = default;
        if (at == pattern.Length)
        {
            return $"\"{pattern[start..]}\" at the end is not a conversion; write a percent sign as %%";
        }

        var letter = pattern[at++];
        var known = modifier switch { 'E' => KnownAfterE, 'O' => KnownAfterO, _ => Known };
        if (!known.Contains(letter, StringComparison.Ordinal))
        {
            return $"\"{pattern[start..at]}\" is not a conversion of strftime{Advice(letter, modifier)}";
        }

        conversion = new StrftimeConversion(letter, pad, upper, swap, width);
        return null;
    }

    private static string Advice(char letter, char modifier)
    {
        var other = char.IsAsciiLetterUpper(letter) ? char.ToLowerInvariant(letter) : char.ToUpperInvariant(letter);
        return modifier != '\0' && Known.Contains(letter, StringComparison.Ordinal) ? $"; did you mean %{letter}?"
            : Known.Contains(other, StringComparison.Ordinal) ? $"; did you mean %{other}?"
            : letter == '+' ? "; glibc has neither the flag + nor the conversion %+"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"; available: {string.Join(' ', Known.AsEnumerable())} with the flags _ - 0 ^ # and a width");
    }
}

/// <summary>A piece of a pattern: a text that is copied, or a conversion.</summary>
internal readonly record struct StrftimePart(string? Text, StrftimeConversion Conversion);

/// <summary>A conversion. E and O are not kept: what they stand for is the plain form in the C locale.</summary>
/// <param name="Letter">Which value.</param>
/// <param name="Pad">The last flag of <c>_ - 0</c>; NUL for none.</param>
/// <param name="Upper">The flag <c>^</c>.</param>
/// <param name="Swap">The flag <c>#</c>.</param>
/// <param name="Width">The least number of letters; 0 when none is given.</param>
internal readonly record struct StrftimeConversion(char Letter, char Pad, bool Upper, bool Swap, int Width)
{
    public bool IsPlain => this is { Pad: '\0', Upper: false, Swap: false, Width: 0 };
}
