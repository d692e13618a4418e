using System.Text;
using Policyd.Configuration.Hocon;
using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

// Logical lines to sections and options. What a value is, is as mtpolicyd 2.05 prints it with -d: double quotes around it go, single ones
// stay; \\ \" \$ \# lose their backslash, and every other backslash stays, so that regular expressions come through.
internal sealed class ConfParser(ConfigurationReadOptions options, DiagnosticBag diagnostics)
{
    private const int MaxFiles = 1000;
    private readonly Stack<ConfSection> _open = new();
    private readonly List<string> _files = [];
    private List<string>? _comments;
    private int _filesRead;

    public ConfSection Parse(string text, string file)
    {
        var root = new ConfSection("", null, new SourcePosition(file, 1, 1));
        _open.Push(root);
        ParseFile(text, file);
        root.ClosingComments = TakeComments(closing: true);
        return root;
    }

    private void ParseFile(string text, string file)
    {
        var depth = _open.Count;
        _files.Add(Path.GetFullPath(file));
        var lines = new ConfLines(text, file);
        while (lines.TryRead(out var line))
        {
            ParseLine(line, lines, depth);
        }

        for (; _open.Count > depth; _open.Pop())
        {
            diagnostics.Error(
                _open.Peek().Position, $"{_open.Peek().Head} is never closed: expected </{_open.Peek().Name}> before the end of the file");
        }

        _files.RemoveAt(_files.Count - 1);
    }

    private void ParseLine(ConfLine line, ConfLines lines, int depth)
    {
        if (line.Text.Length == 0)
        {
            KeepComment(line.Comment);
            return;
        }

        if (IncludeName(line.Text) is { } name)
        {
            Include(name, line);
        }
        else if (line.Text.StartsWith("</", StringComparison.Ordinal) && line.Text.EndsWith('>'))
        {
            Close(line, depth);
        }
        else if (line.Text.StartsWith('<') && line.Text.EndsWith('>'))
        {
            Open(line);
        }
        else if (line.Text.StartsWith('<'))
        {
            // The line is not shown: a secret may stand on it.
            diagnostics.Error(line.Position, "expected '>' at the end of the section header");
        }
        else
        {
            _open.Peek().Items.Add(Option(line, lines));
        }
    }

    private void KeepComment(string? comment)
    {
        _comments ??= [];
        if (comment is not null)
        {
            _comments.AddRange(comment.Split('\n'));
        }
        else if (_comments is not [.., ""])
        {
            _comments.Add("");
        }
    }

    private List<string>? TakeComments(bool closing = false)
    {
        var comments = _comments;
        _comments = null;
        if (_open.Peek().Items.Count == 0 && comments is ["", ..])
        {
            comments.RemoveAt(0);
        }

        if (closing && comments is [.., ""])
        {
            comments.RemoveAt(comments.Count - 1);
        }

        return comments;
    }

    private void Open(ConfLine line)
    {
        var head = line.Text[1..^1];
        var isEmpty = head.EndsWith('/');
        head = head.TrimEnd('/').Trim();
        var space = head.IndexOfAny([' ', '\t']);
        var section = head.StartsWith('"') || space < 0
            ? new ConfSection(head.Trim('"'), null, line.Position)
            : new ConfSection(head[..space], head[space..].Trim().Trim('"'), line.Position);
        section = section with { Comments = TakeComments(), InlineComment = line.Comment };
        if (section.Name.Length == 0)
        {
            diagnostics.Error(line.Position, "a section needs a name: <Plugin NAME>");
        }

        _open.Peek().Items.Add(section);
        if (isEmpty)
        {
            return;
        }

        if (_open.Count > options.MaxDepth)
        {
            diagnostics.Error(line.Position, $"nested deeper than {options.MaxDepth} levels");
        }

        _open.Push(section);
    }

    private void Close(ConfLine line, int depth)
    {
        var name = line.Text[2..^1].Trim();
        if (_open.Count <= depth)
        {
            diagnostics.Error(line.Position, $"</{name}> has no matching <{name}>");
            return;
        }

        var section = _open.Peek();
        section.ClosingComments = TakeComments(closing: true);
        _open.Pop();

        // The original reads the first word alone: </Plugin NAME> closes <Plugin NAME>.
        var space = name.IndexOfAny([' ', '\t']);
        if (!(space < 0 ? name : name[..space]).Equals(section.Name, StringComparison.OrdinalIgnoreCase))
        {
            diagnostics.Error(
                line.Position,
                $"expected </{section.Name}> to close the section opened at {section.Position.RelativeTo(line.Position)}, found </{name}>");
        }
    }

    private ConfOption Option(ConfLine line, ConfLines lines)
    {
        var keyEnd = line.Text.IndexOfAny([' ', '\t', '=']);
        var comments = TakeComments();
        if (keyEnd < 0)
        {
            return new ConfOption(line.Text, new ConfigScalar("", ScalarKind.Null, line.Position), line.Position)
            {
                Comments = comments,
                InlineComment = line.Comment,
            };
        }

        if (keyEnd == 0)
        {
            diagnostics.Error(line.Position, "an option's name is missing before '='");
        }

        var raw = line.Text[keyEnd..].TrimStart();
        if (raw.StartsWith('='))
        {
            raw = raw[1..].TrimStart();
        }

        var position = line.Position with { Column = line.Position.Column + line.Text.Length - raw.Length };
        return new ConfOption(line.Text[..keyEnd], Value(raw, position, lines), line.Position)
        {
            Comments = comments,
            InlineComment = line.Comment,
        };
    }

    private ConfigScalar Value(string raw, SourcePosition position, ConfLines lines)
    {
        if (raw.StartsWith("<<", StringComparison.Ordinal) && raw.Length > 2 && !raw.Contains('>'))
        {
            var marker = raw[2..].Trim();
            if (lines.ReadHereDocument(marker) is { } document)
            {
                return new ConfigScalar(document, ScalarKind.String, position);
            }

            diagnostics.Error(
                position, "the text that begins here is never closed: expected a line that contains only the word given after <<");
        }

        if (raw.Length > 1 && raw[0] == '\'' && raw[^1] == '\'')
        {
            diagnostics.Notice(position, "single quotes are part of the value, as in mtpolicyd; to quote the value, use double quotes");
        }

        var quoted = raw.Length > 1 && raw[0] == '"' && raw[^1] == '"';
        if (!quoted && raw.StartsWith('"'))
        {
            diagnostics.Warning(
                position,
                "this quote is not closed on its line, so it is part of the value (a '#' starts a comment even inside quotes; write \\#)");
        }

        var value = Unescape(quoted ? raw[1..^1] : raw);
        var kind = quoted || value == "null" ? ScalarKind.String : HoconText.KindOf(value);
        return new ConfigScalar(value, kind, position);
    }

    private static string Unescape(string raw)
    {
        if (!raw.Contains('\\'))
        {
            return raw;
        }

        var value = new StringBuilder(raw.Length);
        for (var i = 0; i < raw.Length; i++)
        {
            if (raw[i] == '\\' && i + 1 < raw.Length && raw[i + 1] is ('\\' or '"' or '$' or '#'))
            {
                i++;
            }

            value.Append(raw[i]);
        }

        return value.ToString();
    }

    private static string? IncludeName(string line)
    {
        if (line.StartsWith("<<include", StringComparison.OrdinalIgnoreCase) && line.EndsWith(">>", StringComparison.Ordinal))
        {
            return line["<<include".Length..^2].Trim().Trim('"');
        }

        return line.StartsWith("include ", StringComparison.OrdinalIgnoreCase) && !line["include ".Length..].TrimStart().StartsWith('=')
            ? line["include ".Length..].Trim().Trim('"')
            : null;
    }

    // mtpolicyd looks in its working folder; ours looks beside the including file first.
    private void Include(string name, ConfLine line)
    {
        if (name.Length == 0 || name.Contains('\0'))
        {
            diagnostics.Error(line.Position, "the name of the included file is empty or contains a NUL character");
            return;
        }

        var beside = Path.Combine(Path.GetDirectoryName(_files[^1]) ?? "", name);
        var found = Matches(beside, line.Position);
        if (found.Count == 0)
        {
            found = Matches(Path.GetFullPath(name), line.Position);
        }

        if (found.Count == 0 && !name.AsSpan().ContainsAny("*?"))
        {
            diagnostics.Error(
                line.Position, $"the included file {Printable.Quote(name)} does not exist (looked for {Printable.Quote(beside)})");
        }

        foreach (var path in found)
        {
            IncludeFile(path, line.Position);
        }
    }

    private void IncludeFile(string path, SourcePosition at)
    {
        var again = _files.IndexOf(Path.GetFullPath(path));
        if (again >= 0)
        {
            diagnostics.Error(
                at, $"include cycle: {string.Join(" -> ", _files.Skip(again).Select(Path.GetFileName))} -> {Path.GetFileName(path)}");
        }
        else if (_files.Count > options.MaxIncludeDepth)
        {
            diagnostics.Error(at, $"files include each other deeper than {options.MaxIncludeDepth} levels");
        }
        else if (++_filesRead > MaxFiles)
        {
            diagnostics.Error(at, $"more than {MaxFiles} includes");
        }
        else if (SourceText.Load(path, options.MaxBytes, diagnostics, at) is { } text)
        {
            ParseFile(text, path);
        }
    }

    private List<string> Matches(string path, SourcePosition at)
    {
        var folder = Path.GetDirectoryName(path) ?? "";
        var pattern = Path.GetFileName(path);
        if (File.Exists(path))
        {
            return [path];
        }

        if (Directory.Exists(path))
        {
            (folder, pattern) = (path, "*");
        }
        else if (!pattern.AsSpan().ContainsAny("*?") || !Directory.Exists(folder))
        {
            return [];
        }

        try
        {
            return [.. Directory.EnumerateFiles(folder, pattern)
                .Where(file => !Path.GetFileName(file).StartsWith('.'))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            diagnostics.Error(at, $"the included folder {Printable.Quote(folder)} cannot be read: {e.Message}");
            return [];
        }
    }
}
