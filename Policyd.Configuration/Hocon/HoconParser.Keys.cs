using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

// Members of an object: keys, which are paths, and include statements.
internal sealed partial class HoconParser
{
    private bool AtEndOfMembers =>
        _current.Kind is HoconTokenKind.CloseObject or HoconTokenKind.End
            || (_current.Kind == HoconTokenKind.CloseArray && _openArrays > 0);

    private void ParseMembers(HoconObjectLiteral target, HoconScope scope)
    {
        RejectCommas("a key is missing before this comma");
        while (!AtEndOfMembers)
        {
            var comments = TakeComments();
            var value = ParseMember(target, scope, out var atNextMember);
            if (atNextMember)
            {
                continue;
            }

            if (value is null)
            {
                SkipBroken();
            }
            else
            {
                value.Comments = comments;
            }

            if (ParseSeparator(value) || AtEndOfMembers)
            {
                continue;
            }

            Diagnostics.Error(_current.Position, _current.Kind switch
            {
                HoconTokenKind.Assign or HoconTokenKind.Append =>
                    $"unexpected '{_current.Text}': put the value before it in quotes, or separate two members with a comma or a newline",
                HoconTokenKind.CloseArray => "this ']' has no matching '['",
                _ => $"expected a comma or a newline before {_current.Describe()}",
            });
            if (_current.Kind == HoconTokenKind.CloseArray)
            {
                Next();
            }

            SkipBroken();
            ParseSeparator(null);
        }
    }

    private HoconExpression? ParseMember(HoconObjectLiteral target, HoconScope scope, out bool atNextMember)
    {
        atNextMember = false;
        if (_current is { Kind: HoconTokenKind.Unquoted, Text: "include" } include)
        {
            Next();
            return ParseInclude(include.Position, target, scope);
        }

        var keyPosition = _current.Position;
        if (ParseKey() is not { } path)
        {
            return null;
        }

        var separated = SkipToSeparator();
        if (_current.Kind == HoconTokenKind.OpenObject)
        {
            return Define(target, path, keyPosition, ParseValue(scope.Below(path), isElement: false));
        }

        if (_current.Kind is not (HoconTokenKind.Assign or HoconTokenKind.Append))
        {
            atNextMember = separated;
            Diagnostics.Error(
                separated ? keyPosition : _current.Position,
                $"expected '=', ':' or '{{' after this key{(separated ? "" : $", found {_current.Describe()}")}");
            return null;
        }

        var append = _current.Kind == HoconTokenKind.Append;
        Next();
        SkipTrivia();
        TakeComments();
        var value = ParseValue(scope.Below(path), isElement: append);
        return Define(target, path, keyPosition, append && value is not null ? Appended(value, scope.Self(path), path) : value);
    }

    // The key's line may end before its separator or brace; when the next line holds neither, the line was just a word.
    private bool SkipToSeparator()
    {
        var newLine = SkipTrivia();
        if (_current.Kind is HoconTokenKind.Assign or HoconTokenKind.Append or HoconTokenKind.OpenObject)
        {
            TakeComments();
        }

        return newLine || _current.Kind is HoconTokenKind.End;
    }

    private List<string>? ParseKey()
    {
        var start = _current.Position;
        var path = new HoconPathBuilder();
        for (; ; Next())
        {
            switch (_current.Kind)
            {
                case HoconTokenKind.Quoted: path.AddQuoted(_current.Text); continue;
                case HoconTokenKind.Unquoted: path.AddUnquoted(_current.Text); continue;
                case HoconTokenKind.Space: path.AddSpace(_current.Text); continue;
            }

            break;
        }

        if (_current.Kind == HoconTokenKind.Substitution)
        {
            Diagnostics.Error(_current.Position, "a key cannot contain a substitution");
            return null;
        }

        if (path.IsEmpty)
        {
            Diagnostics.Error(_current.Position, _current.Kind == HoconTokenKind.CloseArray
                ? "this ']' has no matching '['"
                : $"expected a key, found {_current.Describe()}");
            Next();
            return null;
        }

        if (path.TryBuild(out var elements, out var error))
        {
            return [.. elements];
        }

        Diagnostics.Error(start, error);
        return null;
    }

    private static HoconExpression? Define(HoconObjectLiteral target, List<string> path, SourcePosition keyPosition, HoconExpression? value)
    {
        if (value is null)
        {
            return null;
        }

        for (var i = 0; i < path.Count - 1; i++)
        {
            var inner = new HoconObjectLiteral(keyPosition);
            target.Add(path[i], new HoconDefinition(inner, keyPosition));
            target = inner;
        }

        target.Add(path[^1], new HoconDefinition(value, keyPosition));
        return value;
    }

    // a += b means a = ${?a} [b]
    private static HoconConcatenation Appended(HoconExpression value, HoconLookup self, List<string> path)
    {
        var before = new HoconSubstitution([self], string.Join('.', path), optional: true, value.Position) { UsesEnvironment = false };
        var added = new HoconArrayLiteral(value.Position);
        added.Items.Add(value);
        return new HoconConcatenation([before, added], value.Position);
    }

    private HoconLiteral? ParseInclude(SourcePosition at, HoconObjectLiteral target, HoconScope scope)
    {
        var form = "";
        SkipTrivia();
        TakeComments();
        while (_current.Kind == HoconTokenKind.Unquoted)
        {
            form += _current.Text;
            Next();
            SkipTrivia();
        }

        if (_current.Kind != HoconTokenKind.Quoted)
        {
            Diagnostics.Error(
                at, "include needs a file name in quotes, such as include \"more.conf\" or include required(\"more.conf\"); to use "
                    + "include as a key, write \"include\"");
            return null;
        }

        var name = _current.Text;
        var closing = "";
        for (Next(); closing.Length < form.Count(c => c == '(') && _current.Kind is HoconTokenKind.Unquoted or HoconTokenKind.Space; Next())
        {
            closing += _current.Text.Trim();
        }

        var required = form.StartsWith("required(", StringComparison.Ordinal);
        var kind = required ? form["required(".Length..] : form;
        if (kind is not ("" or "file(" or "url(" or "classpath(") || closing != new string(')', form.Count(c => c == '(')))
        {
            Diagnostics.Error(
                at, $"malformed include: expected include \"{name}\", include file(\"{name}\") or include required(\"{name}\")");
            return null;
        }

        _context.Include(new HoconInclude(name, kind.TrimEnd('('), required, at, _file), target, scope);
        return new HoconLiteral("", ScalarKind.Null, at);
    }
}
