using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Tokens to expressions, by recursive descent. After an error it goes on behind the broken member, so that one run shows all errors.
// Keys and includes are in HoconParser.Keys.cs; comments and separators in HoconParser.Trivia.cs.
internal sealed partial class HoconParser
{
    private readonly HoconParseContext _context;
    private readonly HoconLexer _lexer;
    private readonly string _file;
    private HoconToken _current;
    private int _depth;
    private int _openArrays;
    private bool _stopped;
    private int _lineIndent;
    private bool _firstOnLine = true;
    private (SourcePosition Open, SourcePosition Close)? _outdented;

    public HoconParser(string text, string file, HoconParseContext context)
    {
        _context = context;
        _file = file;
        _lexer = new HoconLexer(text, file, context.Diagnostics);
        Next();
    }

    private DiagnosticBag Diagnostics => _context.Diagnostics;

    /// <summary>Reads the whole text; its members go into <paramref name="target"/>, which an include has filled before, perhaps.</summary>
    public void ParseDocument(HoconObjectLiteral target, HoconScope scope)
    {
        SkipTrivia(atBlockStart: true);
        if (_current.Kind == HoconTokenKind.OpenArray)
        {
            Diagnostics.Error(_current.Position, "the configuration must be an object of keys and values, not an array");
            return;
        }

        if (_current.Kind == HoconTokenKind.OpenObject)
        {
            ParseObjectBody(target, scope);
            SkipTrivia(atBlockStart: true);
            if (_current.Kind != HoconTokenKind.End)
            {
                Diagnostics.Error(
                    _current.Position,
                    $"expected the end of the file after the '}}' that closes the configuration, found {_current.Describe()}");
            }

            return;
        }

        while (true)
        {
            ParseMembers(target, scope);
            if (_current.Kind == HoconTokenKind.End)
            {
                break;
            }

            Diagnostics.Error(_current.Position, $"this '{_current.Text}' has no matching opening bracket");
            Next();
            SkipTrivia(atBlockStart: true);
        }

        target.ClosingComments = TakeComments(closing: true);
    }

    private void Next()
    {
        var wasNewLine = _current.Kind == HoconTokenKind.NewLine || _current.Position.Line == 0;
        _current = _stopped ? new HoconToken(HoconTokenKind.End, "", _current.Position) : _lexer.Next();
        if (wasNewLine)
        {
            _firstOnLine = true;
        }

        if (_current.Kind is HoconTokenKind.Space or HoconTokenKind.NewLine)
        {
            return;
        }

        if (_firstOnLine)
        {
            _lineIndent = _current.Position.Column;
        }

        _firstOnLine = false;
    }

    private bool Enter(SourcePosition at)
    {
        if (++_depth <= _context.Options.MaxDepth)
        {
            return true;
        }

        if (!_stopped)
        {
            Diagnostics.Error(at, $"nested deeper than {_context.Options.MaxDepth} levels");
        }

        _stopped = true;
        _current = new HoconToken(HoconTokenKind.End, "", at);
        return false;
    }

    private HoconObjectLiteral ParseObject(HoconScope scope, bool isElement)
    {
        var literal = new HoconObjectLiteral(_current.Position);
        ParseObjectBody(literal, isElement ? scope.Element(literal) : scope);
        return literal;
    }

    private void ParseObjectBody(HoconObjectLiteral literal, HoconScope scope)
    {
        var open = _current.Position;
        var indent = _lineIndent;
        if (Enter(open))
        {
            Next();
            literal.InlineComment ??= TakeInlineComment();
            SkipTrivia(atBlockStart: true);
            ParseMembers(literal, scope);
            literal.ClosingComments = TakeComments(closing: true);
            CloseObject(open, indent);
        }

        _depth--;
    }

    private void CloseObject(SourcePosition open, int indent)
    {
        if (_current.Kind == HoconTokenKind.CloseObject)
        {
            var column = _current.Position.Column;
            if (_current.Position.Line != open.Line && column == _lineIndent && column < indent)
            {
                _outdented ??= (open, _current.Position);
            }

            Next();
            return;
        }

        ReportUnclosed("'}' to close the object", open);
    }

    private void ReportUnclosed(string expected, SourcePosition open)
    {
        if (_stopped)
        {
            return;
        }

        var found = _current.Kind == HoconTokenKind.End ? "" : $", found {_current.Describe()}";
        var hint = _current.Kind == HoconTokenKind.End && _outdented is var (from, to)
            ? $" (the '}}' at {to.RelativeTo(_current.Position)} is indented less than line {from.Line}, where its object begins; a "
                + $"'}}' may be missing before it)"
            : "";
        Diagnostics.Error(_current.Position, $"expected {expected} opened at {open.RelativeTo(_current.Position)}{found}{hint}");
        if (_current.Kind == HoconTokenKind.End)
        {
            _stopped = true; // the objects around it are open for the same reason
        }
    }

    private HoconArrayLiteral ParseArray(HoconScope scope)
    {
        var open = _current.Position;
        var array = new HoconArrayLiteral(open);
        if (Enter(open))
        {
            _openArrays++;
            Next();
            array.InlineComment = TakeInlineComment();
            SkipTrivia(atBlockStart: true);
            ParseItems(array, scope);
            array.ClosingComments = TakeComments(closing: true);
            _openArrays--;
            if (_current.Kind == HoconTokenKind.CloseArray)
            {
                Next();
            }
            else
            {
                ReportUnclosed("']' to close the array", open);
            }
        }

        _depth--;
        return array;
    }

    private void ParseItems(HoconArrayLiteral array, HoconScope scope)
    {
        RejectCommas("an element is missing before this comma");
        while (_current.Kind is not (HoconTokenKind.CloseArray or HoconTokenKind.CloseObject or HoconTokenKind.End))
        {
            var comments = TakeComments();
            var value = ParseValue(scope, isElement: true);
            if (value is null)
            {
                SkipBroken();
            }
            else
            {
                value.Comments = comments;
                array.Items.Add(value);
            }

            if (!ParseSeparator(value)
                && _current.Kind is not (HoconTokenKind.CloseArray or HoconTokenKind.CloseObject or HoconTokenKind.End))
            {
                Diagnostics.Error(
                    _current.Position,
                    $"expected a comma, a newline or ']' in the array opened at "
                        + $"{array.Position.RelativeTo(_current.Position)}, found {_current.Describe()}");
                SkipBroken();
                ParseSeparator(null);
            }
        }
    }

    /// <summary>A value with all that is joined to it on its line; null after an error.</summary>
    private HoconExpression? ParseValue(HoconScope scope, bool isElement)
    {
        var parts = new List<HoconExpression>();
        var failed = false;
        while (ParsePart(scope, isElement, ref failed) is { } part)
        {
            parts.Add(part);
        }

        while (parts is [.., HoconSpace])
        {
            parts.RemoveAt(parts.Count - 1);
        }

        if (parts.Count > 0)
        {
            if (isElement)
            {
                WarnOfMissingCommas(parts);
            }

            return Join(parts);
        }

        if (!failed)
        {
            Diagnostics.Error(_current.Position, $"expected a value, found {_current.Describe()}");
        }

        return null;
    }

    // [ { a } { b } ] on one line is one merged object, [ "a" "b" ] one text. HOCON has it so, and no author of a list means it.
    private void WarnOfMissingCommas(List<HoconExpression> parts)
    {
        for (var i = 2; i < parts.Count; i++)
        {
            var (before, space, part) = (parts[i - 2], parts[i - 1], parts[i]);
            if (space is HoconSpace && before is HoconLiteral { IsQuoted: true } && part is HoconLiteral { IsQuoted: true })
            {
                Warn("these two adjacent texts are joined into one", before, part);
            }
        }

        var objects = parts.FindAll(static part => part is not HoconSpace);
        for (var i = 1; i < objects.Count; i++)
        {
            if (objects[i - 1] is HoconObjectLiteral && objects[i] is HoconObjectLiteral)
            {
                Warn("these two adjacent objects are merged into one", objects[i - 1], objects[i]);
            }
        }

        void Warn(string what, HoconExpression before, HoconExpression at) =>
            Diagnostics.Warning(
                at.Position,
                $"{what} (the first begins at {before.Position.RelativeTo(at.Position)}); a comma or a newline "
                    + $"may be missing before this one");
    }

    private HoconExpression? ParsePart(HoconScope scope, bool isElement, ref bool failed)
    {
        var token = _current;
        switch (token.Kind)
        {
            case HoconTokenKind.OpenObject: return ParseObject(scope, isElement);
            case HoconTokenKind.OpenArray: return ParseArray(scope);
            case HoconTokenKind.Space:
                Next();
                return new HoconSpace(token.Text, token.Position);
            case HoconTokenKind.Quoted:
                Next();
                return new HoconLiteral(token.Text, ScalarKind.String, token.Position) { IsQuoted = true };
            case HoconTokenKind.Unquoted:
                Next();
                return new HoconLiteral(token.Text, HoconText.KindOf(token.Text), token.Position);
            case HoconTokenKind.Substitution:
                Next();
                failed |= token.Path is null;
                return token.Path is null
                    ? new HoconLiteral("", ScalarKind.Null, token.Position)
                    : new HoconSubstitution(scope.LookupsOf(token.Path), string.Join('.', token.Path), token.Optional, token.Position)
                    {
                        IsList = token.IsList
                    };
            default: return null;
        }
    }

    private static HoconExpression Join(List<HoconExpression> parts)
    {
        if (parts.Count == 1)
        {
            return parts[0];
        }

        if (parts.TrueForAll(static part => part is HoconLiteral or HoconSpace))
        {
            return new HoconLiteral(string.Concat(parts.Select(TextOf)), ScalarKind.String, parts[0].Position);
        }

        return new HoconConcatenation(parts, parts[0].Position);
    }

    private static string TextOf(HoconExpression part) => part is HoconLiteral literal ? literal.Text : ((HoconSpace)part).Text;
}
