using System.Text.RegularExpressions;
using Policyd.Configuration;
using Policyd.Plugins.Api;
using Policyd.Plugins.Loading;

namespace Policyd.Tests.Plugins;

/// <summary>docs/modules.md and the code say the same: neither can change without the other.</summary>
public sealed partial class ModuleDocumentationSpecs
{
    private static readonly string[] Common = ["log_level", "on_error", "timeout"];

    public static TheoryData<string> Modules => [.. ModuleRegistry.BuiltIn.Modules.Select(Plugin.ModuleNameOf)];

    [Theory]
    [MemberData(nameof(Modules))]
    public void Section_lists_exactly_the_options_of_the_module(string module)
    {
        var options = OptionSchema.Of(ModuleRegistry.BuiltIn.Find(module)!).Options;
        var own = options.Where(option => !option.Name.StartsWith("uc_", StringComparison.Ordinal) && !Common.Contains(option.Name)).ToList();
        var documented = Rows(Section(module));

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
    public void Every_section_is_a_module()
    {
        var sections = Heading().Matches(Page()).Select(match => match.Groups[1].Value);
        Assert.Equal(Modules.Select(row => row.Data).Order(StringComparer.Ordinal), sections.Order(StringComparer.Ordinal));
    }

    private static Dictionary<string, (string Marks, string Default)> Rows(string section) =>
        Row().Matches(section).ToDictionary(row => row.Groups[1].Value, row => (row.Groups[2].Value, row.Groups[3].Value.Trim()));

    private static string Section(string module)
    {
        var page = Page();
        var start = page.IndexOf($"\n## {module}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"docs/modules.md has no section {module}");
        var end = page.IndexOf("\n## ", start + 4, StringComparison.Ordinal);
        return end < 0 ? page[start..] : page[start..end];
    }

    private static string Page()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var page = Path.Combine(folder.FullName, "docs", "modules.md");
            if (File.Exists(page))
            {
                return File.ReadAllText(page);
            }
        }

        throw new InvalidOperationException("docs/modules.md is not above the tests' folder");
    }

    [GeneratedRegex(@"^## (\S+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\| (?!option )([a-z_]+)((?: \*)?(?: \(uc\))?) \|([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
