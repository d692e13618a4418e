using System.Text;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// What an unquoted word is. Both languages use it, so that a converted file keeps its kinds of values.
internal static class HoconText
{
    public static ScalarKind KindOf(string word) => word switch
    {
        "true" or "false" => ScalarKind.Boolean,
        "null" => ScalarKind.Null,
        _ => IsNumber(word) ? ScalarKind.Number : ScalarKind.String,
    };

    /// <summary>Whether the text is valid UTF-16: each half of a surrogate pair stands beside the other.</summary>
    public static bool IsUnicode(string text) =>
        !text.AsSpan().ContainsAnyInRange('\ud800', '\udfff') || Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) == text;

    /// <summary>Whether the text is a number by JSON's grammar.</summary>
    public static bool IsNumber(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("-"))
        {
            text = text[1..];
        }

        var whole = TakeDigits(ref text);
        if (whole.Length == 0 || (whole.Length > 1 && whole[0] == '0'))
        {
            return false;
        }

        if (text.StartsWith("."))
        {
            text = text[1..];
            if (TakeDigits(ref text).Length == 0)
            {
                return false;
            }
        }

        if (text is ['e' or 'E', ..])
        {
            text = text[1..];
            if (text is ['+' or '-', ..])
            {
                text = text[1..];
            }

            if (TakeDigits(ref text).Length == 0)
            {
                return false;
            }
        }

        return text.IsEmpty;
    }

    private static ReadOnlySpan<char> TakeDigits(ref ReadOnlySpan<char> text)
    {
        var length = text.IndexOfAnyExceptInRange('0', '9');
        var digits = length < 0 ? text : text[..length];
        text = text[digits.Length..];
        return digits;
    }
}
