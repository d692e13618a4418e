using System.Buffers;
using System.Formats.Asn1;
using System.Globalization;
using System.Text;

namespace Policyd.Plugins.Ldap;

/// <summary>
/// Search filters: from the text of RFC 4515 to the bytes of RFC 4511, section 4.5.1.7. The outermost brackets may be left out, and blanks
/// may stand between the parts, as in what mtpolicyd takes.
/// </summary>
internal ref struct LdapFilter
{
    // Deeper than any filter that somebody wrote, and far from the end of the stack.
    private const int MaxDepth = 64;

    private static readonly SearchValues<char> s_endOfAttribute = SearchValues.Create("=~<>:()");

    private readonly ReadOnlySpan<char> _text;
    private readonly AsnWriter _writer;
    private int _at;

    private LdapFilter(ReadOnlySpan<char> text, AsnWriter writer)
    {
        _text = text;
        _writer = writer;
    }

    /// <summary>A value as it may stand in a filter: what would be syntax there becomes <c>\NN</c> (RFC 4515, section 3).</summary>
    public static string Escape(string value)
    {
        if (value.AsSpan().IndexOfAny("*()\\\0") < 0)
        {
            return value;
        }

        var escaped = new StringBuilder(value.Length + 8);
        foreach (var c in value)
        {
            _ = c is '*' or '(' or ')' or '\\' or '\0' ? escaped.Append(CultureInfo.InvariantCulture, $"\\{(int)c:x2}") : escaped.Append(c);
        }

        return escaped.ToString();
    }

    /// <summary>Writes a filter.</summary>
    /// <exception cref="FormatException">The text is no filter.</exception>
    public static void Write(string filter, AsnWriter writer)
    {
        var text = filter.AsSpan().Trim();
        if (text is not [] and not ['(', ..])
        {
            text = $"({text})";
        }

        var reader = new LdapFilter(text, writer);
        reader.ReadFilter(0);
        if (reader._at < text.Length)
        {
            throw reader.Wrong("nothing more");
        }
    }

    private static Asn1Tag Choice(int number, bool isConstructed = true) => new(TagClass.ContextSpecific, number, isConstructed);

    private static int HexOf(char c) => char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : -1;

    private void ReadFilter(int depth)
    {
        if (depth > MaxDepth)
        {
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"the filter is nested deeper than {MaxDepth}"));
        }

        SkipBlanks();
        Expect('(');
        SkipBlanks();
        switch (Peek())
        {
            case '&':
                ReadSet(0, depth);
                break;
            case '|':
                ReadSet(1, depth);
                break;
            case '!':
                _at++;
                using (_writer.PushSequence(Choice(2)))
                {
                    ReadFilter(depth + 1);
                }

                SkipBlanks();
                break;
            default:
                ReadItem();
                break;
        }

        Expect(')');
    }

    private void ReadSet(int choice, int depth)
    {
        _at++;
        using (_writer.PushSetOf(Choice(choice)))
        {
            for (SkipBlanks(); Peek() == '('; SkipBlanks())
            {
                ReadFilter(depth + 1);
            }
        }
    }

    private void ReadItem()
    {
        var length = _text[_at..].IndexOfAny(s_endOfAttribute);
        var attribute = length < 0 ? "" : _text.Slice(_at, length).Trim().ToString();
        _at += Math.Max(0, length);
        switch (Peek())
        {
            case '=' when attribute.Length > 0:
                _at++;
                ReadEquality(attribute);
                break;
            case '>' when attribute.Length > 0:
                ReadComparison(5, attribute);
                break;
            case '<' when attribute.Length > 0:
                ReadComparison(6, attribute);
                break;
            case '~' when attribute.Length > 0:
                ReadComparison(8, attribute);
                break;
            case ':':
                ReadExtensible(attribute);
                break;
            default:
                throw Wrong("ATTRIBUTE=VALUE");
        }
    }

    private void ReadComparison(int choice, string attribute)
    {
        _at++;
        Expect('=');
        var value = ReadValue();
        WriteAssertion(choice, attribute, value);
    }

    private void ReadEquality(string attribute)
    {
        var pieces = new List<byte[]> { ReadValue() };
        while (Peek() == '*')
        {
            _at++;
            pieces.Add(ReadValue());
        }

        if (pieces.Count == 1)
        {
            WriteAssertion(3, attribute, pieces[0]);
        }
        else if (pieces.TrueForAll(static piece => piece.Length == 0))
        {
            // Several stars mean the same as one: RFC 4511 has no list of substrings without an element.
            WriteText(attribute, Choice(7, isConstructed: false));
        }
        else
        {
            WriteSubstrings(attribute, pieces);
        }
    }

    private readonly void WriteSubstrings(string attribute, List<byte[]> pieces)
    {
        using (_writer.PushSequence(Choice(4)))
        {
            WriteText(attribute);
            using (_writer.PushSequence())
            {
                for (var i = 0; i < pieces.Count; i++)
                {
                    // initial, any, final
                    var kind = i == 0 ? 0 : i == pieces.Count - 1 ? 2 : 1;
                    if (pieces[i].Length > 0)
                    {
                        _writer.WriteOctetString(pieces[i], Choice(kind, isConstructed: false));
                    }
                }
            }
        }
    }

    // ATTRIBUTE[:dn][:RULE]:=VALUE
    private void ReadExtensible(string attribute)
    {
        var end = _text[_at..].IndexOf(":=");
        if (end < 0)
        {
            throw Wrong(":=");
        }

        var parts = _text.Slice(_at, end).ToString().Split(':', StringSplitOptions.RemoveEmptyEntries);
        _at += end + 2;
        var hasDn = parts.Length > 0 && parts[0].Equals("dn", StringComparison.OrdinalIgnoreCase);
        var rule = parts.Skip(hasDn ? 1 : 0).ToList();
        if (rule.Count > 1 || (rule.Count == 0 && attribute.Length == 0))
        {
            throw Wrong("ATTRIBUTE:dn:RULE:=VALUE");
        }

        var value = ReadValue();
        using (_writer.PushSequence(Choice(9)))
        {
            if (rule.Count == 1)
            {
                WriteText(rule[0], Choice(1, isConstructed: false));
            }

            if (attribute.Length > 0)
            {
                WriteText(attribute, Choice(2, isConstructed: false));
            }

            _writer.WriteOctetString(value, Choice(3, isConstructed: false));
            if (hasDn)
            {
                _writer.WriteBoolean(true, Choice(4, isConstructed: false));
            }
        }
    }

    // Up to a star or a bracket; \NN is a byte.
    private byte[] ReadValue()
    {
        var bytes = new List<byte>();
        while (_at < _text.Length && _text[_at] is not ('*' or '(' or ')'))
        {
            if (_text[_at] != '\\')
            {
                var plain = _text[_at..].IndexOfAny("*()\\");
                var run = plain < 0 ? _text[_at..] : _text.Slice(_at, plain);
                bytes.AddRange(Encoding.UTF8.GetBytes(run.ToString()));
                _at += run.Length;
                continue;
            }

            if (_at + 2 >= _text.Length || HexOf(_text[_at + 1]) < 0 || HexOf(_text[_at + 2]) < 0)
            {
                throw Wrong("two hexadecimal digits after \\");
            }

            bytes.Add((byte)((HexOf(_text[_at + 1]) * 16) + HexOf(_text[_at + 2])));
            _at += 3;
        }

        return [.. bytes];
    }

    private readonly void WriteAssertion(int choice, string attribute, byte[] value)
    {
        using (_writer.PushSequence(Choice(choice)))
        {
            WriteText(attribute);
            _writer.WriteOctetString(value);
        }
    }

    private readonly void WriteText(string text, Asn1Tag? tag = null) => _writer.WriteOctetString(Encoding.UTF8.GetBytes(text), tag);

    private readonly char Peek() => _at < _text.Length ? _text[_at] : '\0';

    private void SkipBlanks()
    {
        while (Peek() is ' ' or '\t')
        {
            _at++;
        }
    }

    private void Expect(char c)
    {
        if (Peek() != c)
        {
            throw Wrong(c.ToString());
        }

        _at++;
    }

    private readonly FormatException Wrong(string expected) =>
        new(string.Create(CultureInfo.InvariantCulture, $"\"{_text}\" is not a valid filter: expected {expected} at character {_at + 1}"));
}
