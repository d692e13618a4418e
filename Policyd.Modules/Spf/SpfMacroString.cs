using System.Globalization;
using System.Text;

namespace Policyd.Modules.Spf;

/// <summary>A text with macros (RFC 7208, section 7), parsed once; the values come when it is expanded.</summary>
internal sealed class SpfMacroString
{
    private const string Delimiters = ".-+,/_=";

    /// <summary>
    /// How many macros one text may have. Nobody's has ten; each may cost a lookup, or the making of a long value of which nothing is kept.
    /// </summary>
    public const int MostMacros = 64;

    // A sender can be long: what cannot matter is not made.
    private const int MostValue = 1024;
    private const int MostText = 1024;
    private readonly IReadOnlyList<Token> _tokens;
    private readonly bool _isExplanation;

    private SpfMacroString(string text, IReadOnlyList<Token> tokens, bool isExplanation)
    {
        Text = text;
        _tokens = tokens;
        _isExplanation = isExplanation;
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Parses a text.</summary>
    /// <param name="text">Printable ASCII.</param>
    /// <param name="isExplanation">Whether spaces and the macros c, r and t may be in it.</param>
    /// <exception cref="SpfSyntaxException">It does not fit the grammar.</exception>
    public static SpfMacroString Parse(string text, bool isExplanation = false)
    {
        if (Macros(text) > MostMacros)
        {
            throw new SpfSyntaxException($"a text has more than {MostMacros} macros");
        }

        var tokens = new List<Token>();
        var literal = new StringBuilder();
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is < ' ' or > '~' || (text[at] == ' ' && !isExplanation))
            {
                throw new SpfSyntaxException($"\"{text}\" contains characters that are not printable ASCII");
            }

            if (text[at] != '%')
            {
                literal.Append(text[at]);
                continue;
            }

            if (literal.Length > 0)
            {
                tokens.Add(new Token(literal.ToString(), null));
                literal.Clear();
            }

            at++;
            switch (at < text.Length ? text[at] : '\0')
            {
                case '%':
                    tokens.Add(new Token("%", null) { IsExpansion = true });
                    break;
                case '_':
                    tokens.Add(new Token(" ", null) { IsExpansion = true });
                    break;
                case '-':
                    tokens.Add(new Token("%20", null) { IsExpansion = true });
                    break;
                case '{':
                    var close = text.IndexOf('}', at);
                    tokens.Add(new Token("", Macro(text, close < 0 ? "" : text[(at + 1)..close], isExplanation)) { IsExpansion = true });
                    at = close;
                    break;
                default:
                    throw new SpfSyntaxException($"\"{text}\" has a % that does not start a macro");
            }
        }

        if (literal.Length > 0)
        {
            tokens.Add(new Token(literal.ToString(), null));
        }

        return new SpfMacroString(text, tokens, isExplanation);
    }

    /// <summary>How many macros a text seems to have: <c>%%{</c> counts too.</summary>
    public static int Macros(string text) => text.AsSpan().Count("%{");

    /// <summary>Parses a domain-spec: its end is a macro or a dot and a top label, so that nobody's local host is asked for.</summary>
    /// <exception cref="SpfSyntaxException">It does not fit the grammar.</exception>
    public static SpfMacroString ParseDomain(string text)
    {
        var parsed = Parse(text);
        if (parsed._tokens is [] || (parsed._tokens[^1] is { IsExpansion: false } last && !EndsInTopLabel(last.Literal)))
        {
            throw new SpfSyntaxException($"\"{text}\" is not a domain");
        }

        return parsed;
    }

    /// <summary>
    /// The text with the macros' values. When it gets long, of an explanation the beginning is made, of a domain the end: no name is so
    /// long.
    /// </summary>
    /// <param name="valueOf">The value of a macro letter, in lower case; each character is a byte.</param>
    /// <param name="ct">Ends it, also between macros that wait for nothing.</param>
    public async ValueTask<string> ExpandAsync(Func<char, ValueTask<string>> valueOf, CancellationToken ct)
    {
        var pieces = new List<string>();
        var length = 0;
        for (var index = 0; index < _tokens.Count && length <= MostText; index++)
        {
            ct.ThrowIfCancellationRequested();
            var token = _tokens[_isExplanation ? index : _tokens.Count - 1 - index];
            var piece = token.Macro is { } macro ? macro.Transform(await valueOf(macro.Letter).ConfigureAwait(false)) : token.Literal;
            pieces.Add(piece);
            length += piece.Length;
        }

        if (!_isExplanation)
        {
            pieces.Reverse();
        }

        return string.Concat(pieces);
    }

    private static bool EndsInTopLabel(string literal)
    {
        var text = literal.EndsWith('.') ? literal[..^1] : literal;
        var dot = text.LastIndexOf('.');
        var label = text[(dot + 1)..];
        return dot >= 0
            && label.Length > 0
            && label.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter == '-')
            && label[0] != '-' && label[^1] != '-'
            && label.Any(static letter => char.IsAsciiLetter(letter) || letter == '-');
    }

    // letter, how many parts from the right, r for reversed, delimiters
    private static MacroExpansion Macro(string text, string macro, bool isExplanation)
    {
        var letter = macro.Length > 0 ? char.ToLowerInvariant(macro[0]) : '\0';
        if (!"slodiphv".Contains(letter, StringComparison.Ordinal) && !(isExplanation && "crt".Contains(letter, StringComparison.Ordinal)))
        {
            throw new SpfSyntaxException($"\"{text}\" has an unknown macro");
        }

        var at = 1;
        var digits = 0;
        for (; at < macro.Length && char.IsAsciiDigit(macro[at]); at++)
        {
            digits = Math.Min(1000, (10 * digits) + (macro[at] - '0'));
        }

        if (at > 1 && digits == 0)
        {
            throw new SpfSyntaxException($"\"{text}\" has a macro that keeps 0 labels");
        }

        var reversed = at < macro.Length && macro[at] is 'r' or 'R';
        at += reversed ? 1 : 0;
        var delimiters = macro[at..];
        if (delimiters.Any(static letter => !Delimiters.Contains(letter, StringComparison.Ordinal)))
        {
            throw new SpfSyntaxException($"\"{text}\" has a macro with a wrong delimiter");
        }

        return new MacroExpansion(
            letter,
            digits == 0 ? int.MaxValue : digits,
            reversed,
            delimiters.Length == 0 ? "." : delimiters,
            char.IsAsciiLetterUpper(macro[0]));
    }

    private sealed record Token(string Literal, MacroExpansion? Macro)
    {
        public bool IsExpansion { get; init; }
    }

    private sealed record MacroExpansion(char Letter, int Parts, bool Reversed, string By, bool Escapes)
    {
        public string Transform(string value)
        {
            var text = value.AsSpan(0, Math.Min(value.Length, MostValue));
            Span<Range> parts = stackalloc Range[MostValue + 1];
            parts = parts[..text.SplitAny(parts, By)];
            if (Reversed)
            {
                parts.Reverse();
            }

            var first = Math.Max(0, parts.Length - Parts);
            var joined = new StringBuilder(text.Length);
            for (var index = first; index < parts.Length; index++)
            {
                joined.Append(index == first ? "" : ".").Append(text[parts[index]]);
            }

            return Escapes ? Escaped(joined.ToString()) : joined.ToString();
        }

        // Each character is a byte, so that it is not Uri's way, which takes it for a letter of Unicode.
        private static string Escaped(string text)
        {
            var escaped = new StringBuilder(text.Length);
            foreach (var c in text)
            {
                if (char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~')
                {
                    escaped.Append(c);
                }
                else
                {
                    escaped.Append(CultureInfo.InvariantCulture, $"%{(int)c:X2}");
                }
            }

            return escaped.ToString();
        }
    }
}
