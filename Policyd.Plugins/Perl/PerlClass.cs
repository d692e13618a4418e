using System.Text.RegularExpressions;
using Policyd.Plugins.Idna;

namespace Policyd.Plugins.Perl;

/// <summary>
/// A class in brackets that .NET cannot have as one, since a property or a character beyond U+FFFF is in it. It is read into the set of its
/// characters.
/// </summary>
internal sealed partial class PerlClass
{
    private readonly string _text;
    private readonly Func<char, string?> _shorthand;
    private readonly IReadOnlyDictionary<string, string> _posix;
    private readonly List<(int First, int Last)> _ranges = [];
    private int _at;

    private PerlClass(string text, int at, Func<char, string?> shorthand, IReadOnlyDictionary<string, string> posix)
    {
        _text = text;
        _at = at;
        _shorthand = shorthand;
        _posix = posix;
    }

    /// <summary>Whether the class that begins here must be read in this way.</summary>
    public static bool IsNeeded(string text, int at)
    {
        for (var next = at + 1; next < text.Length; next++)
        {
            if (text[next] == ']' && next > at + 1 && !(next == at + 2 && text[at + 1] == '^'))
            {
                return false;
            }

            if (char.IsSurrogate(text[next]) || Beyond().IsMatch(text.AsSpan(next, Math.Min(text.Length - next, 64))))
            {
                return true;
            }

            next += text[next] == '\\'
                ? 1
                : text[next] == '[' && Posix().Match(text, next) is { Success: true } posix ? posix.Length - 1 : 0;
        }

        return false;
    }

    /// <summary>Reads a class.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="at">Where it begins; behind it, or where its mistake is.</param>
    /// <param name="shorthand">What .NET writes for <c>\d</c> and the like.</param>
    /// <param name="posix">What .NET writes in brackets for <c>[:alpha:]</c> and the like.</param>
    /// <param name="pattern">What .NET writes for the class.</param>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? Read(
        string text, ref int at, Func<char, string?> shorthand, IReadOnlyDictionary<string, string> posix, out string pattern)
    {
        var isNegated = at + 1 < text.Length && text[at + 1] == '^';
        var begin = at + (isNegated ? 2 : 1);
        var one = new PerlClass(text, begin, shorthand, posix);
        string? error = null;
        while (error is null && one._at < text.Length && (text[one._at] != ']' || one._at == begin))
        {
            error = one.Member();
        }

        pattern = "";
        if (error is not null)
        {
            at = one._at;
            return error;
        }

        if (one._at >= text.Length)
        {
            return "the class has no closing bracket";
        }

        at = one._at + 1;
        pattern = CodePointSet.Of(one._ranges).ToPattern(isNegated);
        return null;
    }

    private string? Member()
    {
        if (Set(out var set) is { } error)
        {
            return error;
        }

        if (set is not null)
        {
            _ranges.AddRange(set.Ranges);
            return null;
        }

        var begin = _at;
        if (Character(out var first) is { } wrong)
        {
            return wrong;
        }

        var last = first;
        if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']')
        {
            // [a-\d] has a hyphen, not a range.
            var hyphen = _at++;
            if (Set(out set) is { } inner)
            {
                return inner;
            }

            if (set is not null)
            {
                _ranges.AddRange([(first, first), ('-', '-'), .. set.Ranges]);
                return null;
            }

            if (Character(out last) is { } bad)
            {
                return bad;
            }

            if (last < first)
            {
                var range = _text[begin.._at];
                _at = hyphen;
                return $"the range {range} ends before it begins";
            }
        }

        _ranges.Add((first, last));
        return null;
    }

    // A member that is many characters.
    private string? Set(out CodePointSet? set)
    {
        set = null;
        if (PerlCodePoints.IsProperty(_text, _at))
        {
            var error = PerlCodePoints.ReadProperty(_text, ref _at, out set, out var isNegated);
            set = isNegated ? set?.Complement() : set;
            return error;
        }

        if (Posix().Match(_text, _at) is { Success: true } posix)
        {
            if (!_posix.TryGetValue(posix.Groups[2].Value, out var members))
            {
                return $"there is no class {posix.Value}";
            }

            set = PerlCodePoints.Of($"[{members}]");
            set = posix.Groups[1].Length > 0 ? set.Complement() : set;
            _at += posix.Length;
        }
        else if (_at + 1 < _text.Length
            && _text[_at] == '\\'
            && _text[_at + 1] is 'd' or 'D' or 'w' or 'W' or 's' or 'S' or 'h' or 'H' or 'v' or 'V')
        {
            set = PerlCodePoints.Of(_shorthand(char.ToLowerInvariant(_text[_at + 1]))!);
            set = char.IsAsciiLetterUpper(_text[_at + 1]) ? set.Complement() : set;
            _at += 2;
        }

        return null;
    }

    private string? Character(out int point)
    {
        point = _text[_at];
        if (point != '\\')
        {
            var isPair = char.IsHighSurrogate(_text[_at]) && _at + 1 < _text.Length && char.IsLowSurrogate(_text[_at + 1]);
            point = isPair ? char.ConvertToUtf32(_text, _at) : point;
            _at += isPair ? 2 : 1;
            return null;
        }

        if (PerlCodePoints.ReadBraced(_text, ref _at, out point) is { } error)
        {
            return error;
        }

        if (point >= 0)
        {
            return null;
        }

        var escape = Escape().Match(_text, _at);
        if (!escape.Success)
        {
            return "this escape is not supported in a class with properties or characters beyond U+FFFF";
        }

        // One character, as .NET has it in a class as well.
        var one = escape.Groups[1].Success ? escape.Value[1..] : Regex.Unescape(escape.Value == @"\b" ? @"\x08" : escape.Value);
        point = char.ConvertToUtf32(one.PadRight(2), 0);
        _at += escape.Length;
        return null;
    }

    [GeneratedRegex(@"\G\[:(\^?)(\w+):\]")]
    private static partial Regex Posix();

    [GeneratedRegex(@"\A\\(?:[pP]|N\{U\+|o\{|x\{0*[0-9A-Fa-f]{5,}\})")]
    private static partial Regex Beyond();

    [GeneratedRegex(@"\G\\(?:([^a-zA-Z0-9])|[tnrfeab]|x[0-9A-Fa-f]{2}|0[0-7]{0,2}|c[A-Za-z@\[\\\]^_])")]
    private static partial Regex Escape();
}
