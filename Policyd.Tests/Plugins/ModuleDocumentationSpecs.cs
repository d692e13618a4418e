using System.Text.RegularExpressions;
using Policyd.Configuration;
using Policyd.Configuration.Options;
using Policyd.Engine.Loading;
using Policyd.Plugins.Api;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>The pages of docs/modules and the code say the same: neither can change without the other.</summary>
public sealed partial class ModuleDocumentationSpecs
{
    private static readonly string[] Common = ["log_level", "observe", "on_error", "timeout"];

    public static TheoryData<string> Modules => [.. ModuleRegistry.BuiltIn.Modules.Select(Plugin.ModuleNameOf)];

    [Theory]
    [MemberData(nameof(Modules))]
    public void Page_lists_exactly_the_options_of_the_module(string module)
    {
        var options = OptionSchema.Of(ModuleRegistry.BuiltIn.Find(module)!).Options;
        var own = options.Where(option => !option.Name.StartsWith("uc_", StringComparison.Ordinal) && !Common.Contains(option.Name))
            .ToList();
        var documented = Rows(Page(module));

        Assert.Equal(own.Select(option => option.Name).Order(StringComparer.Ordinal), documented.Keys.Order(StringComparer.Ordinal));
        foreach (var option in own)
        {
            var (marks, ofDefault) = documented[option.Name];
            Assert.Equal(option.Required, marks.Contains('*', StringComparison.Ordinal));
            Assert.Equal(options.Any(other => other.Name == "uc_" + option.Name), marks.Contains("(uc)", StringComparison.Ordinal));
            if (ofDefault.Length > 0)
            {
                Assert.Equal(ofDefault, option.Default, ignoreCase: true);
            }
        }
    }

    [Fact]
    public void Every_page_is_a_module_and_stands_in_the_index()
    {
        var modules = Modules.Select(row => row.Data).Order(StringComparer.Ordinal).ToList();
        var pages = Directory.GetFiles(Folder(), "*.md")
            .Select(file => Path.GetFileNameWithoutExtension(file)!)
            .Where(page => page != "README");
        var index = IndexEntry().Matches(File.ReadAllText(Path.Combine(Folder(), "README.md"))).Select(match => match.Groups[1].Value);

        Assert.Equal(modules, pages.Order(StringComparer.Ordinal));
        Assert.Equal(modules, index.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Modules))]
    public void The_index_tells_what_observing_a_module_means(string module)
    {
        var index = File.ReadAllText(Path.Combine(Folder(), "README.md"));
        var section = index[index.IndexOf("\n## Observe\n", StringComparison.Ordinal)..];
        section = section[..section.IndexOf("\n## Regular", StringComparison.Ordinal)];
        Assert.Contains($"[{module}]({module}.md)", section, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Modules))]
    public void Page_tells_the_module_its_options_and_an_example(string module)
    {
        var page = Page(module);
        Assert.StartsWith($"# {module}\n", page, StringComparison.Ordinal);
        Assert.Contains("\n## Options\n", page, StringComparison.Ordinal);
        Assert.Contains("\n## Example\n\n```hocon\n", page, StringComparison.Ordinal);
    }

    private static Dictionary<string, (string Marks, string Default)> Rows(string page) =>
        Row().Matches(page).ToDictionary(row => row.Groups[1].Value, row => (row.Groups[2].Value, row.Groups[3].Value.Trim()));

    private static string Page(string module)
    {
        var page = Path.Combine(Folder(), module + ".md");
        Assert.True(File.Exists(page), $"docs/modules has no page {module}.md");
        return File.ReadAllText(page);
    }

    private static string Folder() => FilesAbove.OfTheRepository(Path.Combine("docs", "modules"));

    [GeneratedRegex(@"^\| \[(\w+)\]\(\1\.md\) \|", RegexOptions.Multiline)]
    private static partial Regex IndexEntry();

    [GeneratedRegex(@"^\| (?!option )([a-z0-9_]+)((?: \*)?(?: \(uc\))?) \|([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
