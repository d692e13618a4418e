using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>The lines of code of the repository, without the text within raw strings.</summary>
internal static class SourceLines
{
    private const string RawString = "\"\"\"";

    private static readonly string s_root = Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;

    // Three tests look at them.
    private static readonly Lazy<IReadOnlyList<(string Place, string Line)>> s_ofTheRepository = new(ReadAll);

    /// <summary>Those of all files, each with its place.</summary>
    public static IReadOnlyList<(string Place, string Line)> OfTheRepository() => s_ofTheRepository.Value;

    /// <summary>
    /// Those of one file. A raw string of several lines begins at the end of a line and ends at the start of one. A file that seems to end
    /// within one has a line that is not read rightly here: its last is line 0.
    /// </summary>
    public static IEnumerable<(int Number, string Line)> In(IEnumerable<string> lines)
    {
        var isText = false;
        foreach (var (number, line) in lines.Index())
        {
            var ends = isText && line.TrimStart().StartsWith(RawString, StringComparison.Ordinal);
            var begins = (ends || !isText)
                && line.EndsWith(RawString, StringComparison.Ordinal)
                && line.Split(RawString).Length % 2 == (ends ? 1 : 0);
            isText = begins || (isText && !ends);
            if (ends || begins || !isText)
            {
                yield return (number + 1, line);
            }
        }

        if (isText)
        {
            yield return (0, "");
        }
    }

    private static IReadOnlyList<(string Place, string Line)> ReadAll()
    {
        var files = Directory.EnumerateFiles(s_root, "*.cs", SearchOption.AllDirectories).Where(IsOurs).ToList();
        Assert.True(files.Count > 500, $"{files.Count} files: the search for them is wrong");
        return
        [
            .. files.SelectMany(static file => In(File.ReadLines(file)).Select(
                one => ($"{Path.GetRelativePath(s_root, file)}:{one.Number}", one.Line))),
        ];
    }

    private static bool IsOurs(string path) => !Path.GetRelativePath(s_root, path).Split('/').Any(part => part is "bin" or "obj" or ".git");
}
