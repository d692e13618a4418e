using Policyd.Configuration.Sources;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Hocon;

/// <summary>An include statement.</summary>
/// <param name="Name">The name in quotes.</param>
/// <param name="Kind">Empty, or the word before the parenthesis: file, url, classpath.</param>
/// <param name="Required">Whether an absent file is an error.</param>
/// <param name="Position">Where the statement stands.</param>
/// <param name="From">The including file.</param>
internal sealed record HoconInclude(string Name, string Kind, bool Required, SourcePosition Position, string From);

// What the parsers of a document and of its included files share: diagnostics, bounds, and the chain of files that are open, in which a
// file that includes itself is found.
internal sealed class HoconParseContext(ConfigurationReadOptions options, DiagnosticBag diagnostics)
{
    private const int MaxFiles = 1000;
    private readonly List<string> _open = [];
    private int _files;

    public ConfigurationReadOptions Options { get; } = options;

    public DiagnosticBag Diagnostics { get; } = diagnostics;

    public void Parse(string text, string file, HoconObjectLiteral target, HoconScope scope)
    {
        _open.Add(Path.GetFullPath(file));
        new HoconParser(text, file, this).ParseDocument(target, scope);
        _open.RemoveAt(_open.Count - 1);
    }

    public void Include(HoconInclude include, HoconObjectLiteral target, HoconScope scope)
    {
        if (include.Kind is "url" or "classpath" || include.Name.Contains("://", StringComparison.Ordinal))
        {
            Diagnostics.Error(include.Position, "include supports only files, not URLs or class paths");
            return;
        }

        if (include.Name.Length == 0 || include.Name.Contains('\0'))
        {
            Diagnostics.Error(include.Position, "the name of the included file is empty or contains a NUL character");
            return;
        }

        var found = Candidates(include).Where(File.Exists).ToList();
        if (found.Count == 0)
        {
            ReportAbsent(include);
        }

        foreach (var path in found)
        {
            IncludeFile(path, include, target, scope);
        }
    }

    // A name without extension stands for all files of that name, HOCON last, so that it overrides JSON.
    private static IEnumerable<string> Candidates(HoconInclude include)
    {
        var path = Path.Combine(Path.GetDirectoryName(include.From) ?? "", include.Name);
        return File.Exists(path) || Directory.Exists(path) || Path.HasExtension(path)
            ? [path]
            : [path + ".json", path + ".conf", path + ".hocon"];
    }

    private void ReportAbsent(HoconInclude include)
    {
        var path = Candidates(include).First();
        if (Directory.Exists(path))
        {
            Diagnostics.Error(include.Position, $"the included {Printable.Quote(include.Name)} is a folder; a file is required");
        }
        else if (include.Required)
        {
            Diagnostics.Error(
                include.Position,
                $"the included file {Printable.Quote(include.Name)} does not exist (looked for {Printable.Quote(Path.GetFullPath(path))})");
        }
        else
        {
            Diagnostics.Notice(
                include.Position,
                $"the included file {Printable.Quote(include.Name)} does not exist and is ignored; if it must "
                    + $"exist, write include required(…)");
        }
    }

    private void IncludeFile(string path, HoconInclude include, HoconObjectLiteral target, HoconScope scope)
    {
        var again = _open.IndexOf(Path.GetFullPath(path));
        if (again >= 0)
        {
            Diagnostics.Error(
                include.Position,
                $"include cycle: {string.Join(" -> ", _open.Skip(again).Select(Path.GetFileName))} -> {Path.GetFileName(path)}");
        }
        else if (_open.Count > Options.MaxIncludeDepth)
        {
            Diagnostics.Error(include.Position, $"files include each other deeper than {Options.MaxIncludeDepth} levels");
        }
        else if (++_files > MaxFiles)
        {
            Diagnostics.Error(include.Position, $"more than {MaxFiles} includes");
        }
        else if (SourceText.Load(path, Options.MaxBytes, Diagnostics, include.Position) is { } text)
        {
            Parse(text, path, target, scope.Included());
        }
    }
}
