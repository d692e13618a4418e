using System.Globalization;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Values;

/// <summary>
/// A number of bytes, written as HOCON does: <c>512K</c>, <c>64MiB</c>, <c>10 MB</c>; a bare number is bytes. One letter, and the forms
/// with an <c>i</c>, are powers of 1024; <c>kB</c>, <c>MB</c>, … are powers of 1000.
/// </summary>
/// <param name="Bytes">The bytes, not negative.</param>
public readonly record struct ByteSize(long Bytes) : IOptionValue<ByteSize>
{
    private static readonly string[] s_prefixes = ["kilo", "mega", "giga", "tera", "peta", "exa"];
    private static readonly string[] s_binary = ["kibi", "mebi", "gibi", "tebi", "pebi", "exbi"];
    private static readonly Dictionary<string, long> s_units = Units();

    /// <inheritdoc/>
    public static bool TryParse(string text, out ByteSize value, out string? error)
    {
        value = default;
        error = $"expected a size such as 512K or 64MiB, found {Printable.Quote(text)}";
        if (!UnitText.TrySplit(text, out var number, out var unit))
        {
            return false;
        }

        if (!s_units.TryGetValue(unit, out var factor))
        {
            error =
                $"unknown size unit {Printable.Quote(unit)}; expected B, K, M, G, T (powers of 1024) or kB, MB, GB, TB (powers of 1000)";
            return false;
        }

        if (number < 0 || number > long.MaxValue / (decimal)factor)
        {
            error = $"a size must be between 0 and {long.MaxValue} bytes, found {Printable.Quote(text)}";
            return false;
        }

        value = new ByteSize((long)(number * factor));
        error = null;
        return true;
    }

    /// <summary>The size in the largest binary unit that divides it: <c>64MiB</c>, <c>1500B</c>.</summary>
    public override string ToString()
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        var (rest, unit) = (Bytes, 0);
        while (rest != 0 && rest % 1024 == 0)
        {
            (rest, unit) = (rest / 1024, unit + 1);
        }

        return rest.ToString(CultureInfo.InvariantCulture) + units[unit];
    }

    private static Dictionary<string, long> Units()
    {
        var units = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var name in (string[])["", "B", "b", "byte", "bytes"])
        {
            units[name] = 1;
        }

        var (decimalFactor, binaryFactor) = (1L, 1L);
        for (var i = 0; i < s_prefixes.Length; i++)
        {
            decimalFactor *= 1000;
            binaryFactor *= 1024;
            var letter = "KMGTPE"[i];
            var lower = char.ToLowerInvariant(letter);
            foreach (var name in (string[])[
                $"{letter}", $"{lower}", $"{letter}i", $"{letter}iB", s_binary[i] + "byte", s_binary[i] + "bytes"
            ])
            {
                units[name] = binaryFactor;
            }

            foreach (var name in (string[])[$"{(i == 0 ? lower : letter)}B", s_prefixes[i] + "byte", s_prefixes[i] + "bytes"])
            {
                units[name] = decimalFactor;
            }
        }

        return units;
    }
}
