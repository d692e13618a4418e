using System.Text.RegularExpressions;

namespace Policyd.Tests.Repository;

/// <summary>
/// Code calls the types of C# by C#'s words, and members without <c>this</c>. .editorconfig says the same, but a build cannot check these
/// two rules, IDE0049 and IDE0003, and <c>dotnet format style</c> takes four minutes for them.
/// </summary>
public sealed partial class ShortNamesSpecs
{
    [Fact]
    public void No_line_of_code_has_a_longer_name_than_it_needs() =>
        Assert.Empty(SourceLines.OfTheRepository().Where(static one => HasLongName(one.Line)).Select(static one => one.Place));

    [Theory]
    [InlineData("var all = String.Join(',', many);", true)]
    [InlineData("Int32 one = 1;", true)]
    [InlineData("private readonly List<Byte[]> _all = [];", true)]
    [InlineData("public Object? This(System.Int64 one)", true)]
    [InlineData("return this._count;", true)]
    [InlineData("var all = string.Join(',', many); // not String.Join", false)]
    [InlineData("var all = \"String.Join\" + this[1];", false)]
    [InlineData("to.Byte((byte)WireKind.Read);", false)]
    [InlineData("public byte Byte(byte largest)", false)]
    [InlineData("case JsonValueKind.String:", false)]
    public void What_a_line_is_held_to(string line, bool isLong) => Assert.Equal(isLong, HasLongName(line));

    private static bool HasLongName(string line) => LongName().IsMatch(TextOrComment().Replace(line, ""));

    [GeneratedRegex("""
        "(?:[^"\\]|\\.)*"|//.*
        """)]
    private static partial Regex TextOrComment();

    // A type has a member behind it, or the name of what is of it, also as part of another type; a method of that name has neither.
    [GeneratedRegex(
        """
        \bthis\.\w
        | (?: \bSystem\. | (?<![\w.]) )
          (?: Boolean | S?Byte | Char | Decimal | Double | Single | U?Int(?:16|32|64) | Object | String )
          (?: [\]\[?>,]*[\]>?]+ | \. | [ ]\w )
        """,
        RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex LongName();
}
