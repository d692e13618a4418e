using System.Text;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

/// <summary>One line as the language sees it.</summary>
/// <param name="Text">Its content without comment, continued lines joined; empty for a blank line.</param>
/// <param name="Comment">The comment with its marker; null when there is none.</param>
/// <param name="Position">Where the content begins.</param>
internal readonly record struct ConfLine(string Text, string? Comment, SourcePosition Position);

// Physical lines to logical ones: comments (# anywhere unless written \#, also within quotes, as the original has it; /* */), a backslash
// at the end of a line, and the lines of a here-document.
internal sealed class ConfLines(string text, string file)
{
    private readonly string[] _lines = text.Split('\n');
    private int _next;

    public bool TryRead(out ConfLine line)
    {
        line = default;
        if (_next >= _lines.Length)
        {
            return false;
        }

        var position = new SourcePosition(file, _next + 1, Indent(_lines[_next]) + 1);
        var content = new StringBuilder();
        string? comment;
        while (true)
        {
            var piece = WithoutBlockComment(_lines[_next++].TrimEnd('\r'), out var blockComment);
            var hash = CommentStart(piece);
            comment = hash < 0 ? blockComment : piece[hash..].TrimEnd();
            piece = hash < 0 ? piece : piece[..hash];
            piece = content.Length > 0 ? piece.TrimStart() : piece;
            if (hash >= 0 || !piece.EndsWith('\\') || piece.EndsWith("\\\\", StringComparison.Ordinal) || _next >= _lines.Length)
            {
                content.Append(piece);
                break;
            }

            content.Append(piece, 0, piece.Length - 1);
        }

        line = new ConfLine(content.ToString().Trim(), comment, position);
        return true;
    }

    /// <summary>
    /// The lines up to the one that holds the marker alone; null when there is none. An indented marker takes its indentation off each
    /// line.
    /// </summary>
    public string? ReadHereDocument(string marker)
    {
        var end = Array.FindIndex(_lines, Math.Min(_next, _lines.Length), line => line.Trim() == marker);
        if (end < 0)
        {
            return null;
        }

        var indent = Indent(_lines[end]);
        var lines = _lines[_next..end].Select(line => line.TrimEnd('\r')).Select(line => line[Math.Min(indent, Indent(line))..]);
        _next = end + 1;
        return string.Join('\n', lines);
    }

    private string WithoutBlockComment(string line, out string? comment)
    {
        comment = null;
        var open = line.IndexOf("/*", StringComparison.Ordinal);
        if (open < 0)
        {
            return line;
        }

        var close = line.IndexOf("*/", open + 2, StringComparison.Ordinal);
        if (close >= 0)
        {
            comment = $"# {line[(open + 2)..close].Trim()}";
            return line[..open] + line[(close + 2)..];
        }

        // Only at the beginning of a line may it go on over several: a regular expression may hold the same two characters.
        if (line.AsSpan(0, open).Trim().Length > 0)
        {
            return line;
        }

        var lines = new StringBuilder("# " + line[(open + 2)..].Trim());
        while (_next < _lines.Length)
        {
            line = _lines[_next++];
            close = line.IndexOf("*/", StringComparison.Ordinal);
            lines.Append("\n# ").Append((close < 0 ? line : line[..close]).Trim());
            if (close >= 0)
            {
                break;
            }
        }

        comment = lines.ToString();
        return close < 0 ? "" : line[(close + 2)..];
    }

    private static int CommentStart(string line)
    {
        for (var i = line.IndexOf('#'); i >= 0; i = line.IndexOf('#', i + 1))
        {
            if (i == 0 || line[i - 1] != '\\')
            {
                return i;
            }
        }

        return -1;
    }

    private static int Indent(string line) => line.Length - line.TrimStart().Length;
}
