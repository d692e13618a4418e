using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>
/// Lines of code are short enough to stand beside each other on a screen. .editorconfig says the same, but no tool holds code to it.
/// </summary>
public sealed class LineLengthSpecs
{
    private const int Most = 140;
    private const string RawString = "\"\"\"";

    private static readonly string s_root = Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;

    [Fact]
    public void No_line_of_code_is_longer_than_140_columns()
    {
        Assert.Contains($"max_line_length = {Most}\n", File.ReadAllText(Path.Combine(s_root, ".editorconfig")), StringComparison.Ordinal);
        var files = Directory.EnumerateFiles(s_root, "*.cs", SearchOption.AllDirectories).Where(IsOurs).ToList();
        Assert.True(files.Count > 500, $"{files.Count} files: the search for them is wrong");
        Assert.Empty(
            files.SelectMany(file => LongLines(File.ReadLines(file)).Select(line => $"{Path.GetRelativePath(s_root, file)}:{line}")));
    }

    [Fact]
    public void Text_within_a_raw_string_is_no_code()
    {
        var text = new string('x', Most + 1);
        Assert.Equal(
            [1, 4, 8],
            LongLines(
            [
                "// " + text, "var a = $$" + RawString, text, RawString + "; // " + text,
                $"string[] b = [{RawString}b{RawString}", RawString, text, RawString + text + RawString, text, RawString,
            ]));
        Assert.Equal([0], LongLines([RawString, text]));
    }

    private static bool IsOurs(string path) => !Path.GetRelativePath(s_root, path).Split('/').Any(part => part is "bin" or "obj" or ".git");

    // A raw string of several lines begins at the end of a line and ends at the start of one. A file that seems to end within one has a
    // line that is not read rightly here: 0.
    private static IEnumerable<int> LongLines(IEnumerable<string> lines)
    {
        var isText = false;
        foreach (var (number, line) in lines.Index())
        {
            var ends = isText && line.TrimStart().StartsWith(RawString, StringComparison.Ordinal);
            var begins = (ends || !isText)
                && line.EndsWith(RawString, StringComparison.Ordinal)
                && line.Split(RawString).Length % 2 == (ends ? 1 : 0);
            isText = begins || (isText && !ends);
            if ((ends || begins || !isText) && line.Length > Most)
            {
                yield return number + 1;
            }
        }

        if (isText)
        {
            yield return 0;
        }
    }
}
