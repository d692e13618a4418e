using System.Globalization;
using System.Net;
using Policyd.Configuration.Values;

namespace Policyd.Modules.DnsLists;

/// <summary>
/// Answers of a DNS list, as Postfix writes them behind the <c>=</c> of reject_rbl_client (postconf(5)): <c>127.0.0.[2;4;6..8]</c>. Each of
/// the four fields is a number from 0 to 255, or numbers and ranges in brackets with semicolons between them.
/// </summary>
public sealed class AnswerPattern : IOptionValue<AnswerPattern>
{
    private const int Fields = 4;
    private readonly string _text;
    private readonly bool[][] _fields;

    private AnswerPattern(string text, bool[][] fields)
    {
        _text = text;
        _fields = fields;
    }

    /// <inheritdoc/>
    public static bool TryParse(string text, out AnswerPattern? value, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        value = null;
        var at = 0;
        var fields = new bool[Fields][];
        for (var field = 0; field < Fields; field++)
        {
            fields[field] = new bool[byte.MaxValue + 1];
            error = field > 0 ? Expect(text, ".", ref at) : null;
            error ??= ReadField(text, fields[field], ref at);
            if (error is not null)
            {
                error = $"\"{text}\" is not a valid answer pattern such as 127.0.0.[2;4;6..8]: {error}";
                return false;
            }
        }

        error = at < text.Length
            ? $"\"{text}\" is not a valid answer pattern such as 127.0.0.[2;4;6..8]: unexpected \"{text[at..]}\" after the fourth number"
            : null;
        value = error is null ? new AnswerPattern(text, fields) : null;
        return error is null;
    }

    /// <summary>Whether the pattern has the address.</summary>
    /// <param name="address">An answer of a list.</param>
    public bool Matches(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        return address.TryWriteBytes(bytes, out var length) && length == Fields
            && _fields[0][bytes[0]] && _fields[1][bytes[1]] && _fields[2][bytes[2]] && _fields[3][bytes[3]];
    }

    /// <inheritdoc/>
    public override string ToString() => _text;

    private static string? ReadField(string text, bool[] field, ref int at)
    {
        if (Expect(text, "[", ref at) is not null)
        {
            return ReadRange(text, field, mayBeRange: false, ref at);
        }

        do
        {
            if (ReadRange(text, field, mayBeRange: true, ref at) is { } error)
            {
                return error;
            }
        }
        while (Expect(text, ";", ref at) is null);

        return Expect(text, "]", ref at);
    }

    private static string? ReadRange(string text, bool[] field, bool mayBeRange, ref int at)
    {
        var begin = at;
        if (ReadNumber(text, ref at, out var first) is { } error)
        {
            return error;
        }

        var last = first;
        if (mayBeRange && Expect(text, "..", ref at) is null && ReadNumber(text, ref at, out last) is { } other)
        {
            return other;
        }

        if (last < first)
        {
            return $"the range {text[begin..at]} ends before it begins";
        }

        Array.Fill(field, true, first, last - first + 1);
        return null;
    }

    private static string? ReadNumber(string text, ref int at, out int number)
    {
        var begin = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        number = 0;
        return at == begin ? $"expected a number from 0 to 255 {Where(text, at)}"
            : at - begin > 3 || (number = int.Parse(text.AsSpan(begin, at - begin), CultureInfo.InvariantCulture)) > byte.MaxValue
                ? $"{text[begin..at]} is above 255"
                : null;
    }

    private static string? Expect(string text, string token, ref int at)
    {
        if (text.AsSpan(at).StartsWith(token, StringComparison.Ordinal))
        {
            at += token.Length;
            return null;
        }

        return $"expected \"{token}\" {Where(text, at)}";
    }

    private static string Where(string text, int at) => at < text.Length ? $"before \"{text[at..]}\"" : "at the end";
}
