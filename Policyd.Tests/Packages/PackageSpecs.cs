using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Packages;

/// <summary>An author of a plugin has the packages and no checkout.</summary>
[ServerTest]
[Collection(PackedPackages.Collection)]
public sealed class PackageSpecs(PackedPackages packages, ITestOutputHelper output)
{
    // The sample's own assembly is of some kilobytes; a driver that came with it would be of megabytes.
    private const long MostBytes = 100 * 1024;

    [Fact]
    public void Packages_bring_what_an_author_programs_against_and_nothing_else()
    {
        string[] expected =
            ["Policyd.Configuration", "Policyd.Plugins", "Policyd.Plugins.Testing", "Policyd.Protocol", "Policyd.Templates"];
        var suffix = $".{packages.Version}.nupkg";
        Assert.Equal(
            expected,
            Directory.EnumerateFiles(packages.Packages).Order().Select(
                file => Path.GetFileName(file).Replace(suffix, null, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Sample_is_built_outside_the_tree_and_answers_in_the_server()
    {
        var folder = Path.Combine(packages.AuthorsFolder, "HelloWorld");
        CopyFiles(FilesAbove.OfTheRepository("samples/HelloWorld"), folder);
        var published = Path.Combine(packages.AuthorsFolder, "plugins");
        await packages.Dotnet(folder, "publish", "-c", "Release", "-v", "quiet", "-o", published);
        HasOnlyItsOwn(published, "HelloWorld");
        Assert.Equal(
            "reject Hello Universe!", await AnswerOf(published, "{ name = greet, module = HelloWorld, text = \"Hello Universe!\" }"));
    }

    [Fact]
    public async Task Project_of_the_template_passes_its_tests_is_published_and_answers_in_the_server()
    {
        var project = await packages.NewPlugin();
        await packages.Dotnet(project, "run", "-v", "quiet", "--project", "tests");
        var published = Path.Combine(project, "plugins", "Acme.Checks");
        await packages.Dotnet(project, "publish", "src", "-c", "Release", "-v", "quiet", "-o", published);
        HasOnlyItsOwn(published, "Acme.Checks");

        // The configuration is the template's own, but for the port.
        var port = FreePort.Next();
        var configuration = Path.Combine(project, "policyd.hocon");
        var text = await File.ReadAllTextAsync(configuration, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            configuration, text.Replace("12345", $"{port}", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        Assert.Equal("reject come back with a name", await Ask(configuration, port));
    }

    private static async Task<string> AnswerOf(string plugins, string plugin)
    {
        using var folder = new TemporaryFolder();
        var port = FreePort.Next();
        var configuration = folder.Write(
            "policyd.hocon",
            $$"""
            policyd {
              listen = ["127.0.0.1:{{port}}"], plugin_folder = "{{plugins}}"
              virtual_hosts = [ { name = hello, port = {{port}}, plugins = [ {{plugin}} ] } ]
            }
            """);
        return await Ask(configuration, port);
    }

    private static async Task<string> Ask(string configuration, int port)
    {
        await using var server = await PolicydProcess.Serve(configuration, port);
        var ct = TestContext.Current.CancellationToken;
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), ct);
        return await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("client_name", "unknown").ToBytes(), ct);
    }

    private static void CopyFiles(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    private void HasOnlyItsOwn(string folder, string name)
    {
        var files = new DirectoryInfo(folder).GetFiles("*", SearchOption.AllDirectories);
        var size = files.Sum(static file => file.Length);
        Assert.All(files, file => Assert.StartsWith(name + ".", file.Name, StringComparison.Ordinal));
        Assert.InRange(size, 1, MostBytes);

        using var file = new PEReader(File.OpenRead(Path.Combine(folder, name + ".dll")));
        var metadata = file.GetMetadataReader();
        var references = metadata.AssemblyReferences.Select(one => metadata.GetString(metadata.GetAssemblyReference(one).Name))
            .Where(static reference => !reference.StartsWith("System.", StringComparison.Ordinal)).Order().ToList();
        string[] offered = ["Microsoft.Extensions.Logging.Abstractions", "Policyd.Configuration", "Policyd.Plugins", "Policyd.Protocol"];
        Assert.All(references, reference => Assert.Contains(reference, offered));
        Summary.Line(
            output,
            $"{name} built outside the tree: {size / 1024} KiB in {files.Length} files, references {string.Join(", ", references)}");
    }
}
