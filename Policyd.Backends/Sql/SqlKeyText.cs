using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Policyd.Backends.Sql;

/// <summary>
/// Keys as every table can hold them, whatever its character set and width, and as no collation takes for another's: printable ASCII, the
/// rest of its UTF-8 bytes as <c>%XX</c>. A sender would otherwise choose a domain that the table has no characters for, and the lookup
/// would fail.
/// </summary>
internal static class SqlKeyText
{
    private const string LongMark = "sha256-";

    /// <summary>The text to store and to look for.</summary>
    /// <param name="key">The key; one that is printable ASCII and short enough stays as it is.</param>
    /// <param name="most">How many characters the column has; a longer key becomes a hash.</param>
    public static string Of(string key, int most)
    {
        var text = key.All(IsPlain) ? key : Encoded(key);
        return text.Length <= most ? text : Hashed(key, most);
    }

    private static bool IsPlain(char c) => c is >= '!' and <= '~' and not '%';

    private static string Encoded(string key)
    {
        var text = new StringBuilder(key.Length * 2);
        foreach (var one in Encoding.UTF8.GetBytes(key))
        {
            _ = IsPlain((char)one) ? text.Append((char)one) : text.Append(CultureInfo.InvariantCulture, $"%{one:X2}");
        }

        return text.ToString();
    }

    private static string Hashed(string key, int most)
    {
        var text = LongMark + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
        return text.Length <= most ? text : text[..most];
    }
}
