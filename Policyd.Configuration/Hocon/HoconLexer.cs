using System.Globalization;
using System.Text;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Text to tokens. Malformed strings and substitutions are reported here and still give a token, so that the parser goes on and finds the
// next error; nothing is thrown.
internal sealed class HoconLexer(string text, string file, DiagnosticBag diagnostics)
{
    private const string Forbidden = "$\"{}[]:=,+#`^?!@*&\\";
    private int _at;
    private int _line = 1;
    private int _lineStart;

    private SourcePosition Here => new(file, _line, _at - _lineStart + 1);

    private char Current => _at < text.Length ? text[_at] : '\0';

    public static bool IsSpace(char c) => c switch
    {
        ' ' or '\t' or '\v' or '\f' or '\r' or '\u001C' or '\u001D' or '\u001E' or '\u001F' or '\uFEFF' => true,
        < '\u0080' => false,
        _ => char.IsSeparator(c),
    };

    public static bool MayStandUnquoted(char c) => c != '\n' && !IsSpace(c) && !Forbidden.Contains(c);

    public HoconToken Next()
    {
        if (_at >= text.Length)
        {
            return new HoconToken(HoconTokenKind.End, "", Here);
        }

        var start = Here;
        var c = Current;
        switch (c)
        {
            case '\n':
                _at++;
                _line++;
                _lineStart = _at;
                return new HoconToken(HoconTokenKind.NewLine, "", start);
            case '{': return Symbol(HoconTokenKind.OpenObject, "{");
            case '}': return Symbol(HoconTokenKind.CloseObject, "}");
            case '[': return Symbol(HoconTokenKind.OpenArray, "[");
            case ']': return Symbol(HoconTokenKind.CloseArray, "]");
            case ',': return Symbol(HoconTokenKind.Comma, ",");
            case ':': return Symbol(HoconTokenKind.Assign, ":");
            case '=': return Symbol(HoconTokenKind.Assign, "=");
            case '+' when Follows("+="): return Symbol(HoconTokenKind.Append, "+=");
            case '"': return new HoconToken(HoconTokenKind.Quoted, QuotedString(), start);
            case '$' when Follows("${"): return Substitution(start);
        }

        if (IsSpace(c))
        {
            return new HoconToken(HoconTokenKind.Space, Take(IsSpace), start);
        }

        if (c == '#' || Follows("//"))
        {
            return new HoconToken(HoconTokenKind.Comment, Take(static c => c != '\n').TrimEnd(), start);
        }

        return Unquoted(start);
    }

    private HoconToken Symbol(HoconTokenKind kind, string symbol)
    {
        var token = new HoconToken(kind, symbol, Here);
        _at += symbol.Length;
        return token;
    }

    private bool Follows(string expected) => string.CompareOrdinal(text, _at, expected, 0, expected.Length) == 0;

    private string Take(Func<char, bool> belongs)
    {
        var start = _at;
        while (_at < text.Length && belongs(text[_at]))
        {
            _at++;
        }

        return text[start.._at];
    }

    // A forbidden character is reported once a word and then taken as part of it: an unquoted regular expression is one mistake, not ten.
    private HoconToken Unquoted(SourcePosition start)
    {
        var begin = _at;
        var reported = false;
        while (_at < text.Length && !Follows("//"))
        {
            var c = text[_at];
            if (!MayStandUnquoted(c))
            {
                if (c == '+' && IsExponentSign(begin))
                {
                    _at++;
                    continue;
                }

                if (!IsStray(c))
                {
                    break;
                }

                if (!reported)
                {
                    diagnostics.Error(Here, $"'{c}' is not allowed outside quotes; put the text in \"double quotes\"");
                }

                reported = true;
            }

            _at++;
        }

        return new HoconToken(HoconTokenKind.Unquoted, text[begin.._at], start);
    }

    // 1e+5 is a number of JSON, though '+' stands in no other word.
    private bool IsExponentSign(int begin) =>
        _at - begin >= 2 && text[_at - 1] is ('e' or 'E') && HoconText.IsNumber(text.AsSpan(begin, _at - 1 - begin))
        && _at + 1 < text.Length && char.IsAsciiDigit(text[_at + 1]);

    private bool IsStray(char c) => c switch
    {
        '+' => !Follows("+="),
        '$' => !Follows("${"),
        _ => "`^?!@*&\\".Contains(c),
    };

    private string QuotedString()
    {
        if (Follows("\"\"\""))
        {
            return TripleQuoted();
        }

        var start = Here;
        _at++;
        var value = new StringBuilder();
        while (true)
        {
            if (_at >= text.Length || text[_at] == '\n')
            {
                diagnostics.Error(start, "this string is not closed (put a string of several lines in \"\"\"triple quotes\"\"\")");
                return value.ToString();
            }

            var c = text[_at];
            if (c == '"')
            {
                _at++;
                return Checked(value.ToString(), start);
            }

            if (c == '\\')
            {
                Escape(value);
                continue;
            }

            if (c < ' ' && c != '\r')
            {
                diagnostics.Error(
                    Here, $"control character 0x{(int)c:x2} in a quoted string: write it as {(c == '\t' ? "\\t" : $"\\u{(int)c:x4}")}");
            }

            value.Append(c);
            _at++;
        }
    }

    // Half of a pair is no character: it could neither be sent nor written.
    private string Checked(string text, SourcePosition start)
    {
        if (!HoconText.IsUnicode(text))
        {
            diagnostics.Error(start, "this string holds half of a surrogate pair (\\ud800 to \\udfff); write both halves");
        }

        return text;
    }

    private void Escape(StringBuilder value)
    {
        var position = Here;
        _at++;
        var c = Current;
        if (c is '\n' or '\0')
        {
            return; // the unclosed string is the error to tell
        }

        _at++;
        if (c == 'u')
        {
            // .NET's own parser takes NUL characters behind a number.
            if (_at + 4 <= text.Length && !text.AsSpan(_at, 4).Contains('\0')
                && ushort.TryParse(text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit))
            {
                value.Append((char)unit);
                _at += 4;
            }
            else
            {
                diagnostics.Error(position, "\\u needs four hexadecimal digits");
            }

            return;
        }

        var simple = "\"\\/bfnrt".IndexOf(c);
        if (simple >= 0)
        {
            value.Append("\"\\/\b\f\n\r\t"[simple]);
            return;
        }

        diagnostics.Error(
            position, $"unknown escape \\{c}: write a backslash as \\\\, or use \"\"\"triple quotes\"\"\", which have no escapes");
        value.Append('\\').Append(c);
    }

    // The string ends at the last three quotes of a run: """a"""" is a".
    private string TripleQuoted()
    {
        var start = Here;
        _at += 3;
        var begin = _at;
        var close = text.IndexOf("\"\"\"", _at, StringComparison.Ordinal);
        if (close < 0)
        {
            diagnostics.Error(start, "this \"\"\" string is not closed");
            AdvanceTo(text.Length);
            return text[begin..];
        }

        while (close + 3 < text.Length && text[close + 3] == '"')
        {
            close++;
        }

        AdvanceTo(close + 3);
        return text[begin..close];
    }

    private void AdvanceTo(int end)
    {
        for (; _at < end; _at++)
        {
            if (text[_at] != '\n')
            {
                continue;
            }

            _line++;
            _lineStart = _at + 1;
        }
    }

    private HoconToken Substitution(SourcePosition start)
    {
        _at += 2;
        var optional = Current == '?';
        if (optional)
        {
            _at++;
        }

        var path = new HoconPathBuilder();
        var isList = false;
        while (true)
        {
            if (_at >= text.Length || text[_at] == '\n')
            {
                diagnostics.Error(start, "expected '}' to close the substitution that begins here");
                return new HoconToken(HoconTokenKind.Substitution, "", start, null, optional);
            }

            var c = text[_at];
            if (c == '}')
            {
                break;
            }

            if (c == '"')
            {
                path.AddQuoted(QuotedString());
            }
            else if (IsSpace(c))
            {
                path.AddSpace(Take(IsSpace));
            }
            else if (Follows("[]}"))
            {
                (isList, _at) = (true, _at + 2);
            }
            else if (MayStandUnquoted(c))
            {
                path.AddUnquoted(Take(MayStandUnquoted));
            }
            else
            {
                return BadSubstitution(start, c, optional);
            }
        }

        _at++;
        if (path.TryBuild(out var elements, out var error))
        {
            return new HoconToken(HoconTokenKind.Substitution, "", start, elements, optional, isList);
        }

        diagnostics.Error(start, $"in this substitution: {error}");
        return new HoconToken(HoconTokenKind.Substitution, "", start, null, optional);
    }

    private HoconToken BadSubstitution(SourcePosition start, char c, bool optional)
    {
        diagnostics.Error(Here, $"'{c}' is not allowed outside quotes in the path of a substitution");
        while (_at < text.Length && text[_at] is not ('}' or '\n'))
        {
            _at++;
        }

        if (Current == '}')
        {
            _at++;
        }

        return new HoconToken(HoconTokenKind.Substitution, "", start, null, optional);
    }
}
