using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>
/// Lines of code are short enough to stand beside each other on a screen. .editorconfig says the same, but no tool holds code to it.
/// </summary>
public sealed class LineLengthSpecs
{
    private const int Most = 140;
    private const string RawString = "\"\"\"";

    [Fact]
    public void No_line_of_code_is_longer_than_140_columns()
    {
        Assert.Contains(
            $"max_line_length = {Most}\n", File.ReadAllText(FilesAbove.OfTheRepository(".editorconfig")), StringComparison.Ordinal);
        var lines = SourceLines.OfTheRepository();
        Assert.DoesNotContain(lines, static one => one.Place.EndsWith(":0", StringComparison.Ordinal));
        Assert.Empty(lines.Where(static one => one.Line.Length > Most).Select(static one => one.Place));
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
        Assert.Equal((0, ""), SourceLines.In([RawString, text]).Last());
    }

    private static IEnumerable<int> LongLines(IEnumerable<string> lines) =>
        SourceLines.In(lines).Where(static one => one.Line.Length > Most).Select(static one => one.Number);
}
