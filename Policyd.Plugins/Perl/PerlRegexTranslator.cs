using System.Text;
using System.Text.RegularExpressions;

namespace Policyd.Plugins.Perl;

// Where a pattern of Perl means something else to .NET, or nothing, it is written anew; what cannot be is refused with its place.
// \d \w \s and the POSIX classes are ASCII, as they are in mtpolicyd, which reads bytes.
internal sealed class PerlRegexTranslator
{
    // A property is a long class for .NET, and every one of them costs memory: no pattern for mail has dozens.
    private const int MostTranslated = 200_000;
    private const string VerticalSpace = @"\n\v\f\r\x85\u2028\u2029";

    private static readonly Dictionary<string, string> s_posix = new(StringComparer.Ordinal)
    {
        ["alpha"] = "a-zA-Z",
        ["digit"] = "0-9",
        ["alnum"] = "a-zA-Z0-9",
        ["upper"] = "A-Z",
        ["lower"] = "a-z",
        ["word"] = "a-zA-Z0-9_",
        ["space"] = @"\t-\r ",
        ["blank"] = @" \t",
        ["xdigit"] = "0-9a-fA-F",
        ["cntrl"] = @"\x00-\x1f\x7f",
        ["print"] = @"\x20-\x7e",
        ["graph"] = @"\x21-\x7e",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["ascii"] = @"\x00-\x7f",
    };

    private static readonly Dictionary<string, string> s_notPosix = new(StringComparer.Ordinal)
    {
        ["alpha"] = @"\x00-@\[-`{-\uffff",
        ["digit"] = @"\x00-/:-\uffff",
        ["alnum"] = @"\x00-/:-@\[-`{-\uffff",
        ["upper"] = @"\x00-@\[-\uffff",
        ["lower"] = @"\x00-`{-\uffff",
        ["word"] = @"\x00-/:-@\[-\^`{-\uffff",
        ["space"] = @"\x00-\x08\x0e-\x1f!-\uffff",
        ["blank"] = @"\x00-\x08\x0a-\x1f!-\uffff",
        ["xdigit"] = @"\x00-/:-@G-`g-\uffff",
        ["cntrl"] = @"\x20-\x7e\x80-\uffff",
        ["print"] = @"\x00-\x1f\x7f-\uffff",
        ["graph"] = @"\x00-\x20\x7f-\uffff",
        ["punct"] = @"\x00- 0-9A-Za-z\x7f-\uffff",
        ["ascii"] = @"\x80-\uffff",
    };

    private readonly string _text;
    private readonly StringBuilder _out = new();
    private readonly Stack<int> _groups = new();
    private int _at;
    private int _atom = -1;
    private string? _error;

    private PerlRegexTranslator(string text) => _text = text;

    private bool AtEnd => _at >= _text.Length;

    public static bool TryTranslate(string text, out string pattern, out string? error)
    {
        var translator = new PerlRegexTranslator(text);
        while (!translator.AtEnd && translator._error is null && translator._out.Length <= Math.Max(MostTranslated, 2 * text.Length))
        {
            translator.Step();
        }

        if (translator._error is null && translator._out.Length > Math.Max(MostTranslated, 2 * text.Length))
        {
            translator.Refuse("the pattern has too many properties");
        }

        pattern = translator._out.ToString();
        error = translator._error;
        return error is null;
    }

    private void Step()
    {
        var c = _text[_at];
        switch (c)
        {
            case '\\':
                Escape();
                break;
            case '[':
                BeginAtom();
                Class();
                break;
            case '(':
                Group();
                break;
            case ')':
                _atom = _groups.TryPop(out var start) ? start : -1;
                Copy(1);
                break;
            case '*' or '+' or '?':
                Quantifier(1);
                break;
            case '{' when CountLength() is > 0 and var length:
                Quantifier(length);
                break;
            default:
                BeginAtom();
                if (char.IsHighSurrogate(c) && _at + 1 < _text.Length)
                {
                    // A quantifier behind it means both halves.
                    _out.Append("(?:").Append(_text, _at, 2).Append(')');
                    _at += 2;
                }
                else
                {
                    Copy(1);
                }

                break;
        }
    }

    // a*+ gives nothing back: an atomic group around the atom and its quantifier says the same.
    private void Quantifier(int length)
    {
        Copy(length);
        if (AtEnd || _text[_at] is not ('+' or '?'))
        {
            return;
        }

        if (_text[_at] == '?')
        {
            Copy(1);
        }
        else if (_atom < 0)
        {
            Refuse("there is nothing before the quantifier");
        }
        else
        {
            _out.Insert(_atom, "(?>").Append(')');
            _at++;
        }
    }

    private int CountLength()
    {
        var end = _text.IndexOf('}', _at);
        return end > 0 && Regex.IsMatch(_text[(_at + 1)..end], "^[0-9]+(,[0-9]*)?$") ? end - _at + 1 : 0;
    }

    private void Group()
    {
        BeginAtom();
        _groups.Push(_out.Length);
        if (Takes("(?P<"))
        {
            _out.Append("(?<");
        }
        else if (Takes("(?P="))
        {
            NamedReference();
        }
        else if (Takes("(?^"))
        {
            DefaultFlags();
        }
        else if (Starts("(?|") || Starts("(?R") || Starts("(?&") || Starts("(?P>") || Starts("(?{") || Starts("(??") || Starts("(*")
            || (Starts("(?") && _at + 2 < _text.Length && char.IsAsciiDigit(_text[_at + 2])))
        {
            Refuse("recursion, code, verbs and branch reset are not supported");
        }
        else
        {
            var length = Starts("(?<=") || Starts("(?<!") ? 4 : Starts("(?") ? 3 : 1;
            Copy(Math.Min(length, _text.Length - _at));
        }
    }

    private void NamedReference()
    {
        _groups.Pop();
        var end = _text.IndexOf(')', _at);
        if (end < 0)
        {
            Refuse("the reference has no closing parenthesis");
            return;
        }

        _out.Append(@"\k<").Append(_text.AsSpan(_at, end - _at)).Append('>');
        _at = end + 1;
    }

    // (?^i:...) is how Perl prints a compiled pattern: these flags and no others.
    private void DefaultFlags()
    {
        var start = _at;
        while (!AtEnd && char.IsAsciiLetter(_text[_at]))
        {
            _at++;
        }

        var flags = new string([.. _text[start.._at].Where(flag => "imsnx".Contains(flag, StringComparison.Ordinal))]);
        var off = new string([.. "imsnx".Where(flag => !flags.Contains(flag, StringComparison.Ordinal))]);
        _out.Append("(?").Append(flags).Append('-').Append(off);
    }

    private void Escape()
    {
        if (Takes(@"\Q"))
        {
            Quote();
            return;
        }

        if (Takes(@"\E"))
        {
            return;
        }

        BeginAtom();
        if (_at + 1 >= _text.Length)
        {
            Refuse(@"the pattern ends in a single \");
            return;
        }

        var c = _text[_at + 1];
        if (c is 'p' or 'P')
        {
            Property();
        }
        else if (c == 'N' && Starts(@"\N{U+"))
        {
            Character();
        }
        else if (Shorthand(c) is { } set)
        {
            _out.Append(set);
            _at += 2;
        }
        else if (c is 'K' or 'G' or 'X' or 'C')
        {
            Refuse($@"\{c} is not supported");
        }
        else if (c == 'g')
        {
            NumberedReference();
        }
        else
        {
            Character();
        }
    }

    private static string? Shorthand(char c) => c switch
    {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[a-zA-Z0-9_]",
        'W' => "[^a-zA-Z0-9_]",
        's' => @"[\t-\r ]",
        'S' => @"[^\t-\r ]",
        'h' => @"[ \t]",
        'H' => @"[^ \t]",
        'v' => $"[{VerticalSpace}]",
        'V' => $"[^{VerticalSpace}]",
        'N' => @"[^\n]",
        'R' => $@"(?:\r\n|[{VerticalSpace}])",
        _ => null,
    };

    private void Property()
    {
        if (PerlCodePoints.ReadProperty(_text, ref _at, out var set, out var isNegated) is { } error)
        {
            Refuse(error);
        }
        else
        {
            _out.Append(set!.ToPattern(isNegated));
        }
    }

    private void Quote()
    {
        var end = _text.IndexOf(@"\E", _at, StringComparison.Ordinal);
        var literal = end < 0 ? _text[_at..] : _text[_at..end];
        foreach (var rune in literal.EnumerateRunes())
        {
            BeginAtom();
            _out.Append(rune.IsBmp ? Literal((char)rune.Value) : PerlCodePoints.Pattern(rune.Value));
        }

        _at = end < 0 ? _text.Length : end + 2;
    }

    private void NumberedReference()
    {
        var match = Regex.Match(_text[_at..], @"^\\g(?:\{([0-9]+)\}|([0-9]+)|\{([A-Za-z_]\w*)\})");
        if (!match.Success)
        {
            Refuse(@"of \g, only \gN, \g{N} and \g{name} are supported");
            return;
        }

        _out.Append(@"\k<").Append(match.Groups.Values.Skip(1).First(group => group.Success).Value).Append('>');
        _at += match.Length;
    }

    // An escape of one character, alike inside and outside of a class.
    private void Character()
    {
        if (PerlCodePoints.ReadBraced(_text, ref _at, out var point) is { } error)
        {
            Refuse(error);
        }
        else if (point >= 0)
        {
            _out.Append(PerlCodePoints.Pattern(point));
        }
        else if (_text[_at + 1] is var c && !char.IsAsciiLetterOrDigit(c) && c != '_')
        {
            _out.Append(Literal(c));
            _at += 2;
        }
        else
        {
            Copy(2);
        }
    }

    private void Class()
    {
        var start = _at;
        if (PerlClass.IsNeeded(_text, _at))
        {
            var error = PerlClass.Read(_text, ref _at, Shorthand, s_posix, out var pattern);
            _out.Append(pattern);
            if (error is not null)
            {
                Refuse(error);
            }

            return;
        }

        Copy(1);
        if (!AtEnd && _text[_at] == '^')
        {
            Copy(1);
        }

        if (!AtEnd && _text[_at] == ']')
        {
            _out.Append(@"\]");
            _at++;
        }

        while (_error is null)
        {
            if (AtEnd)
            {
                _at = start;
                Refuse("the class has no closing bracket");
                return;
            }

            if (_text[_at] == ']')
            {
                Copy(1);
                return;
            }

            Member();
        }
    }

    private void Member()
    {
        if (_text[_at] == '[')
        {
            var posix = Regex.Match(_text[_at..], @"^\[:(\^?)(\w+):\]");
            if (!posix.Success)
            {
                _out.Append(@"\[");
                _at++;
            }
            else if ((posix.Groups[1].Length > 0 ? s_notPosix : s_posix).TryGetValue(posix.Groups[2].Value, out var set))
            {
                _out.Append(set);
                _at += posix.Length;
            }
            else
            {
                Refuse($"there is no class {posix.Value}");
            }
        }
        else if (_text[_at] == '\\' && _at + 1 < _text.Length)
        {
            EscapeInClass(_text[_at + 1]);
        }
        else
        {
            Copy(1);
        }
    }

    private void EscapeInClass(char c)
    {
        var set = c switch
        {
            'd' => s_posix["digit"],
            'D' => s_notPosix["digit"],
            'w' => s_posix["word"],
            'W' => s_notPosix["word"],
            's' => s_posix["space"],
            'S' => s_notPosix["space"],
            'h' => s_posix["blank"],
            'H' => s_notPosix["blank"],
            'v' => VerticalSpace,
            _ => null,
        };
        if (set is null)
        {
            Character();
        }
        else
        {
            _out.Append(set);
            _at += 2;
        }
    }

    private static string Literal(char c) => c switch
    {
        '-' or ']' or '}' or '/' => "\\" + c,
        _ => Regex.Escape(c.ToString()),
    };

    private void BeginAtom() => _atom = _out.Length;

    private void Copy(int length)
    {
        _out.Append(_text, _at, length);
        _at += length;
    }

    private bool Starts(string prefix) => _text.AsSpan(_at).StartsWith(prefix, StringComparison.Ordinal);

    private bool Takes(string prefix)
    {
        if (!Starts(prefix))
        {
            return false;
        }

        _at += prefix.Length;
        return true;
    }

    private void Refuse(string reason) => _error = $"\"{_text}\", character {_at + 1}: {reason}";
}
