using System.Globalization;
using System.Numerics;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Targets;

/// <summary>
/// Messages of RFC 4511 read plainly: tag, length, content. Some forms of BER are not compared: those that RFC 4511 forbids (section 5.1:
/// lengths told at the end, strings in parts), and tags of several bytes.
/// </summary>
internal static class PlainLdapReader
{
    public const string NotCompared = "(not compared)";

    private const int Sequence = 0x30;
    private const int Set = 0x31;
    private const int Text = 0x04;

    /// <summary>The message as text; null when it is malformed.</summary>
    public static string? Describe(byte[] message)
    {
        try
        {
            return Read(message);
        }
        catch (MalformedException)
        {
            return null;
        }
        catch (ForbiddenFormException)
        {
            return NotCompared;
        }
    }

    public static string Result(int id, int code, string diagnostic) =>
        string.Create(CultureInfo.InvariantCulture, $"{id} result {code} {diagnostic}");

    public static string Entry(int id, string name, IEnumerable<KeyValuePair<string, string>> attributes) =>
        string.Create(CultureInfo.InvariantCulture, $"{id} entry {name}\n{Texts.Of(attributes)}");

    private static string Read(byte[] message)
    {
        var content = new Cursor(Content(new Cursor(message), Sequence));
        var id = Number(content, 0x02);
        if (id < int.MinValue || id > int.MaxValue)
        {
            throw new MalformedException("the id is too large");
        }

        var tag = Tag(content);
        if ((tag & 0xe0) != 0x60)
        {
            throw new MalformedException("no operation");
        }

        var operation = new Cursor(Content(content, tag));
        return (tag & 0x1f) switch
        {
            1 or 5 or 24 => Result(operation, (int)id),
            4 => Entry(operation, (int)id),
            var other => string.Create(CultureInfo.InvariantCulture, $"{id} operation {other}"),
        };
    }

    private static string Result(Cursor operation, int id)
    {
        var code = Number(operation, 0x0a);
        Content(operation, Text);
        return Result(id, (int)BigInteger.Clamp(code, -1, int.MaxValue), Utf8(operation));
    }

    private static string Entry(Cursor operation, int id)
    {
        var name = Utf8(operation);
        var attributes = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var list = new Cursor(Content(operation, Sequence));
        while (!list.IsAtEnd)
        {
            var attribute = new Cursor(Content(list, Sequence));
            var type = Utf8(attribute);
            var set = new Cursor(Content(attribute, Set));
            var values = new List<string>();
            while (!set.IsAtEnd)
            {
                values.Add(Utf8(set));
            }

            attributes[type] = string.Join('|', values);
        }

        return Entry(id, name, attributes);
    }

    private static string Utf8(Cursor cursor)
    {
        var bytes = Content(cursor, Text);
        return new Cursor(bytes).Utf8(bytes.Length);
    }

    private static BigInteger Number(Cursor cursor, int tag)
    {
        var bytes = Content(cursor, tag);

        // X.690, section 8.3.2: as few bytes as it needs.
        var isLonger = bytes.Length > 1 && (bytes[0] == 0 ? bytes[1] < 0x80 : bytes[0] == 0xff && bytes[1] >= 0x80);
        return bytes.Length > 0 && !isLonger ? new BigInteger(bytes, isBigEndian: true) : throw new MalformedException("number");
    }

    private static int Tag(Cursor cursor)
    {
        var at = cursor.At;
        var tag = cursor.Byte();
        cursor.At = at;
        return (tag & 0x1f) == 0x1f ? throw new ForbiddenFormException() : tag;
    }

    private static byte[] Content(Cursor cursor, int expected)
    {
        var tag = Tag(cursor);
        cursor.At++;
        var first = cursor.Byte();
        if (first == 0x80 && (tag & 0x20) != 0)
        {
            throw new ForbiddenFormException();
        }

        if (tag != expected)
        {
            throw tag == expected + 0x20 && expected == Text ? new ForbiddenFormException() : new MalformedException("tag");
        }

        var length = first < 0x80 ? first
            : first is 0x80 or 0xff ? throw new MalformedException("length")
            : new BigInteger(cursor.Take(first - 0x80), isUnsigned: true, isBigEndian: true);
        return length <= int.MaxValue ? cursor.Take((long)length) : throw new MalformedException("length");
    }

    private sealed class ForbiddenFormException : Exception;
}
