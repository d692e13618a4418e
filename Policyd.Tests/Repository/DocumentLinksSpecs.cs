using System.Text;
using System.Text.RegularExpressions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>Every link between the repository's pages leads somewhere: to a file, and to a heading of it.</summary>
public sealed partial class DocumentLinksSpecs
{
    private static readonly string s_root = Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;

    [Fact]
    public void No_link_of_a_page_is_dead()
    {
        var pages = Directory.EnumerateFiles(s_root, "*.md", SearchOption.AllDirectories).Where(IsOurs).ToList();
        var links = pages.SelectMany(page => Links().Matches(WithoutCode(File.ReadAllText(page)))
            .Select(link => (Page: page, Target: link.Groups[1].Value))).ToList();
        Assert.True(pages.Count > 30 && links.Count > 60, $"{pages.Count} pages with {links.Count} links: the search for them is wrong");
        var dead = links.Where(link => !link.Target.Contains("://", StringComparison.Ordinal) && !Leads(link.Page, link.Target))
            .Select(link => $"{Path.GetRelativePath(s_root, link.Page)}: {link.Target}");
        Assert.Empty(dead);
    }

    [Theory]
    [InlineData("## The admin endpoint", "the-admin-endpoint")]
    [InlineData("### `policyd check`, and why", "policyd-check-and-why")]
    [InlineData("# mtpolicyd.conf", "mtpolicydconf")]
    public void A_headings_anchor_is_made_as_it_is_where_the_pages_are_shown(string heading, string anchor) =>
        Assert.Equal([anchor], Anchors(heading));

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Links();

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CodeBlocks();

    [GeneratedRegex("^#{1,6} +(.+?) *$", RegexOptions.Multiline)]
    private static partial Regex Headings();

    private static bool IsOurs(string path) =>
        !Path.GetRelativePath(s_root, path).Split('/').Any(part => part is "bin" or "obj" or ".git" or "node_modules" or "TestResults");

    private static bool Leads(string page, string target)
    {
        var (path, anchor) = target.Split('#', 2) is [var before, var after] ? (before, after) : (target, null);
        var file = path.Length == 0 ? page : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, Uri.UnescapeDataString(path)));
        return Path.Exists(file) && (anchor is null || Anchors(WithoutCode(File.ReadAllText(file))).Contains(anchor));
    }

    // A '#' in a block of code is a comment there, and brackets with parentheses are no link.
    private static string WithoutCode(string text) => CodeBlocks().Replace(text, "");

    private static List<string> Anchors(string text) =>
    [
        .. Headings().Matches(text).Select(heading =>
        {
            var anchor = new StringBuilder();
            foreach (var c in heading.Groups[1].Value.ToLowerInvariant())
            {
                anchor.Append(c == ' ' ? "-" : char.IsLetterOrDigit(c) || c is '-' or '_' ? c : "");
            }

            return anchor.ToString();
        }),
    ];
}
