namespace Policyd.Configuration.Hocon;

// Comments, blank lines, separators, and where to go on after an error.
internal sealed partial class HoconParser
{
    private List<string>? _comments;

    /// <summary>Skips white space, new lines and comments; keeps the comments for what comes next.</summary>
    /// <returns>Whether there was a new line.</returns>
    private bool SkipTrivia(bool atBlockStart = false)
    {
        if (atBlockStart)
        {
            _comments = null;
        }

        var any = false;
        var newLines = 0;
        while (true)
        {
            switch (_current.Kind)
            {
                case HoconTokenKind.Space:
                    break;
                case HoconTokenKind.NewLine:
                    any = true;
                    newLines++;
                    break;
                case HoconTokenKind.Comment:
                    KeepBlankLine(newLines, atBlockStart);
                    (_comments ??= []).Add(_current.Text);
                    newLines = 0;
                    break;
                default:
                    KeepBlankLine(newLines, atBlockStart);
                    return any;
            }

            Next();
        }
    }

    private void KeepBlankLine(int newLines, bool atBlockStart)
    {
        if (newLines >= 2 && !(atBlockStart && _comments is null) && _comments is not [.., ""])
        {
            (_comments ??= []).Add("");
        }
    }

    private List<string>? TakeComments(bool closing = false)
    {
        var comments = _comments;
        _comments = null;
        if (closing && comments is [.., ""])
        {
            comments.RemoveAt(comments.Count - 1);
        }

        return comments;
    }

    private string? TakeInlineComment()
    {
        if (_current.Kind == HoconTokenKind.Space)
        {
            Next();
        }

        if (_current.Kind != HoconTokenKind.Comment)
        {
            return null;
        }

        var text = _current.Text;
        Next();
        return text;
    }

    /// <summary>What stands between two members or elements.</summary>
    /// <returns>Whether it separates them: a comma, a new line or both.</returns>
    private bool ParseSeparator(HoconExpression? before)
    {
        var inline = TakeInlineComment();
        var comma = AcceptComma();
        if (comma)
        {
            inline ??= TakeInlineComment();
        }

        var newLine = SkipTrivia();
        if (!comma && AcceptComma())
        {
            comma = true;
            inline ??= TakeInlineComment();
            newLine |= SkipTrivia();
        }

        if (before is not null)
        {
            before.InlineComment ??= inline;
        }

        if (comma)
        {
            RejectCommas("extra comma");
        }

        return comma || newLine;
    }

    private bool AcceptComma()
    {
        if (_current.Kind != HoconTokenKind.Comma)
        {
            return false;
        }

        Next();
        return true;
    }

    private void RejectCommas(string message)
    {
        if (_current.Kind != HoconTokenKind.Comma)
        {
            return;
        }

        Diagnostics.Error(_current.Position, message);
        while (_current.Kind == HoconTokenKind.Comma)
        {
            Next();
            SkipTrivia();
        }
    }

    /// <summary>Goes to the end of a broken member: the next comma or new line, or the bracket that closes what it stands in.</summary>
    private void SkipBroken()
    {
        var open = 0;
        for (; _current.Kind != HoconTokenKind.End; Next())
        {
            switch (_current.Kind)
            {
                case HoconTokenKind.OpenObject or HoconTokenKind.OpenArray:
                    open++;
                    break;
                case HoconTokenKind.CloseObject or HoconTokenKind.CloseArray when open > 0:
                    open--;
                    break;
                case HoconTokenKind.CloseObject:
                case HoconTokenKind.CloseArray when _openArrays > 0:
                case HoconTokenKind.Comma or HoconTokenKind.NewLine when open == 0:
                    return;
            }
        }
    }
}
