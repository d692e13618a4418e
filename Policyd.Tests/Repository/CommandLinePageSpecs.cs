using System.Text.RegularExpressions;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>docs/command-line.md against the executable: every verb has its place there, with every option that its help shows.</summary>
[ServerTest]
public sealed partial class CommandLinePageSpecs
{
    [Fact]
    public async Task Every_verb_and_option_is_on_the_page()
    {
        var page = await File.ReadAllTextAsync(FilesAbove.OfTheRepository("docs/command-line.md"), TestContext.Current.CancellationToken);
        var missing = new List<string>();
        var verbs = 0;
        await Look([], page);
        Assert.Empty(missing);
        Assert.True(verbs >= 12, $"{verbs} verbs were found in the help");

        // What a verb's section has to name: its own options, and those of its sub-verbs.
        async Task Look(string[] verb, string section)
        {
            verbs++;
            var help = (await Command.RunAsync("", [.. verb, "--help"])).Output;
            missing.AddRange(OptionsOf(help).Where(names => !names.Any(name => Regex.IsMatch(section, $@"(?<![\w-]){name}(?![\w-])")))
                .Select(names => $"policyd {string.Join(' ', verb)} {names[^1]}"));
            foreach (var sub in VerbsOf(help))
            {
                if (verb.Length == 0)
                {
                    var found = Regex.Match(page, $@"^## {sub}$(.*?)(?=^## |\z)", RegexOptions.Multiline | RegexOptions.Singleline);
                    missing.AddRange(found.Success ? [] : [$"a section {sub}"]);
                    await Look([sub], found.Value);
                }
                else
                {
                    missing.AddRange(section.Contains(sub, StringComparison.Ordinal) ? [] : [$"policyd {string.Join(' ', verb)} {sub}"]);
                    await Look([.. verb, sub], section);
                }
            }
        }
    }

    [Fact]
    public async Task Help_and_the_page_have_the_same_exit_codes()
    {
        var page = await File.ReadAllTextAsync(FilesAbove.OfTheRepository("docs/command-line.md"), TestContext.Current.CancellationToken);
        var table = page[page.IndexOf("\n## Exit codes\n", StringComparison.Ordinal)..];
        var help = (await Command.RunAsync("", "--help")).Output;
        var told = help[help.IndexOf("Exit codes", StringComparison.Ordinal)..help.IndexOf("Signals:", StringComparison.Ordinal)];
        Assert.Equal(
            Regex.Matches(table, @"^\| (\d+) \|", RegexOptions.Multiline).Select(row => row.Groups[1].Value).Order(),
            Regex.Matches(told, @"\b(\d+)\b").Select(code => code.Value).Order());
    }

    [GeneratedRegex(@"^  ((?:-[^ ,]+, )*(?:-[^ ]+))", RegexOptions.Multiline)]
    private static partial Regex OptionLines();

    [GeneratedRegex(@"^Commands:\n((?:  .*\n)+)", RegexOptions.Multiline)]
    private static partial Regex Commands();

    [GeneratedRegex("^  ([a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex CommandLines();

    // One name of each is enough; help and version explain themselves, and -c is the same everywhere.
    private static IEnumerable<string[]> OptionsOf(string help) => OptionLines().Matches(help)
        .Select(line => line.Groups[1].Value.Split(", "))
        .Where(names => !names.Any(name => name is "--help" or "--version" or "--config"));

    private static IEnumerable<string> VerbsOf(string help) =>
        Commands().Match(help) is { Success: true } found
            ? CommandLines().Matches(found.Groups[1].Value).Select(line => line.Groups[1].Value)
            : [];
}
