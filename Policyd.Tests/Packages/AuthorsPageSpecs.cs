using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Packages;

/// <summary>
/// The code on the plugin author's page, as an author would have it: its modules in one project outside the tree and then in the running
/// server, its tests in another.
/// </summary>
[ServerTest]
[Collection(PackedPackages.Collection)]
public sealed partial class AuthorsPageSpecs(PackedPackages packages)
{
    private static readonly string s_page = File.ReadAllText(FilesAbove.OfTheRepository("docs/plugin-authors.md"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Modules_of_the_page_answer_in_the_server_as_it_says()
    {
        var project = await Project("Page", "src/Acme.Checks.csproj", Blocks("csharp").Where(static code => !IsTest(code)));
        var plugins = Path.Combine(project, "plugins");
        await packages.Dotnet(project, "publish", "-c", "Release", "-v", "quiet", "-o", plugins);

        var sections = Blocks("hocon").Where(static block => block.StartsWith("{ name = ", StringComparison.Ordinal)).ToList();
        var ports = sections.ConvertAll(static _ => FreePort.Next());
        var hosts = sections.Zip(ports, static (section, port) => $"{{ name = h{port}, port = {port}, plugins = [\n{section}\n] }}");
        var configuration = Path.Combine(project, "policyd.hocon");
        await File.WriteAllTextAsync(
            configuration,
            $$"""
            policyd {
              listen = [{{string.Join(", ", ports.Select(static port => $"\"127.0.0.1:{port}\""))}}]
              plugin_folder = plugins
              connections { db { module = Sql, dsn = "dbi:SQLite:dbname=page.sqlite" } }
              virtual_hosts = [
            {{string.Join('\n', hosts)}}
              ]
            }
            """,
            Cancel);
        await using var server = await PolicydProcess.Serve(configuration, ports[0]);
        var asked = 0;
        foreach (var (section, port) in sections.Zip(ports))
        {
            if (Answers().Match(section) is { Success: true } answers)
            {
                Assert.Equal((section, answers.Groups["action"].Value), (section, await Ask(port)));
                asked++;
            }
        }

        Assert.True(asked >= 5, $"only {asked} sections of the page say what they answer");
    }

    [Fact]
    public async Task Tests_of_the_page_pass()
    {
        // A test needs the plugin that it tests; without a reference to a project beside it, both are in one.
        var tests = Blocks("csharp").Where(IsTest).ToList();
        Assert.NotEmpty(tests);
        var project = await Project("PageTests", "tests/Acme.Checks.Tests.csproj", Blocks("csharp"));
        var file = Path.Combine(project, "PageTests.csproj");
        var text = await File.ReadAllTextAsync(file, Cancel);
        await File.WriteAllTextAsync(file, ProjectReference().Replace(text, string.Empty), Cancel);
        await packages.Dotnet(project, "run", "-v", "quiet");
    }

    private async Task<string> Project(string name, string template, IEnumerable<string> blocks)
    {
        var folder = Path.Combine(packages.AuthorsFolder, name);
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(await packages.NewPlugin(), template), Path.Combine(folder, name + ".csproj"));
        foreach (var (number, block) in blocks.Index())
        {
            await File.WriteAllTextAsync(Path.Combine(folder, $"Block{number}.cs"), Complete(block, number), Cancel);
        }

        return folder;
    }

    private static async Task<string> Ask(int port)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        return await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("instance", "1").Add("client_name", "unknown").Add("sender", "a@example.org").ToBytes(),
            Cancel);
    }

    private static IEnumerable<string> Blocks(string language) =>
        Block().Matches(s_page).Where(block => block.Groups["language"].Value == language).Select(block => block.Groups["text"].Value);

    /// <summary>A block that begins with members shows a part of a plugin: the rest is put around it.</summary>
    private static string Complete(string block, int number)
    {
        if (WholeFile().IsMatch(block))
        {
            return block;
        }

        var run = block.Contains(" RunAsync(PluginContext ", StringComparison.Ordinal)
            ? ""
            : "public override ValueTask<PluginResult> RunAsync(PluginContext context) => new(PluginResult.Continue);";
        return $"public sealed class Block{number}Plugin : Plugin\n{{\n{block}\n{run}\n}}\n";
    }

    private static bool IsTest(string code) => code.Contains("[Fact]", StringComparison.Ordinal);

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^(global using|using|public (abstract |sealed |static )*(class|record|interface|enum)) ", RegexOptions.Multiline)]
    private static partial Regex WholeFile();

    [GeneratedRegex("# answers (?<action>.+)$", RegexOptions.Multiline)]
    private static partial Regex Answers();

    [GeneratedRegex("<ProjectReference [^>]*/>")]
    private static partial Regex ProjectReference();
}
