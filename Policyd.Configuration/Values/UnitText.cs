using System.Globalization;

namespace Policyd.Configuration.Values;

// A number and the name of a unit behind it, with white space around and between: the specification's "units format".
internal static class UnitText
{
    public static bool TrySplit(string text, out decimal number, out string unit)
    {
        var trimmed = text.AsSpan().Trim();
        var length = trimmed.Length;
        while (length > 0 && char.IsLetter(trimmed[length - 1]))
        {
            length--;
        }

        unit = trimmed[length..].ToString();
        return decimal.TryParse(
            trimmed[..length].TrimEnd(),
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture,
            out number);
    }
}
