using System.Reflection;
using Policyd.Tests.Support;

namespace Policyd.Tests.Packages;

/// <summary>
/// The packages as <c>dotnet pack</c> makes them, and a folder outside the tree in which an author has nothing else: one source with these
/// packages, and a command line without templates. What they depend on is taken from what the tree's own build has fetched.
/// </summary>
[CollectionDefinition(Collection)]
public sealed class PackedPackages : IAsyncLifetime, ICollectionFixture<PackedPackages>
{
    /// <summary>The tests that share the packages: they are packed once.</summary>
    public const string Collection = "packages";

    // MSBuild starts from nothing, and the machine may be busy with other tests.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(5);

    private readonly TemporaryFolder _folder = new();
    private int _projects;

    /// <summary>Where the packages are.</summary>
    public string Packages => _folder["packages"];

    /// <summary>Their version.</summary>
    public string Version { get; } =
        typeof(Policyd.Plugins.Api.Plugin).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];

    /// <summary>The author's folder, for a project in a folder of its own.</summary>
    public string AuthorsFolder => _folder["author"];

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        var solution = FilesAbove.OfTheRepository("PolicydActors.sln");
        var configuration = typeof(PackedPackages).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
        await Dotnet(
            Path.GetDirectoryName(solution)!, "pack", solution, "--no-build", "-c", configuration, "-v", "quiet", "-o", Packages);
        _folder.Write(
            "author/nuget.config",
            $"""
            <configuration>
              <packageSources><clear /><add key="packed" value="{Packages}" /></packageSources>
              <fallbackPackageFolders><clear /><add key="fetched" value="{FetchedPackages}" /></fallbackPackageFolders>
              <config><add key="globalPackagesFolder" value="{_folder["restored"]}" /></config>
            </configuration>
            """);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs <c>dotnet</c> as the author would, and gives what it printed; it must succeed.</summary>
    public Task<string> Dotnet(string folder, params string[] arguments) => Run(folder, Needs.Program("dotnet"), arguments);

    /// <summary>A new project of the template, with the module Named: its folder.</summary>
    public async Task<string> NewPlugin()
    {
        var parent = Directory.CreateDirectory(Path.Combine(AuthorsFolder, $"new{Interlocked.Increment(ref _projects)}")).FullName;
        if (_projects == 1)
        {
            await Dotnet(parent, "new", "install", Path.Combine(Packages, $"Policyd.Templates.{Version}.nupkg"));
        }

        await Dotnet(parent, "new", "policyd-plugin", "-n", "Acme.Checks", "--module", "Named");
        return Path.Combine(parent, "Acme.Checks");
    }

    private static string FetchedPackages => Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private async Task<string> Run(string folder, string program, string[] arguments)
    {
        var environment = new Dictionary<string, string>
        {
            ["DOTNET_CLI_HOME"] = _folder["home"],
            ["DOTNET_NOLOGO"] = "1",
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["MSBUILDDISABLENODEREUSE"] = "1",
            ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0",

            // Without it the home of the command line is where packages are restored to, in the tree as well.
            ["NUGET_PACKAGES"] = folder.StartsWith(_folder.Path, StringComparison.Ordinal) ? _folder["restored"] : FetchedPackages,
        };
        await using var process = ProcessUnderTest.Start(program, arguments, environment, folder);
        process.Input.Close();
        var code = await process.Exits(s_timeout);
        var printed = string.Join('\n', process.Lines);
        Assert.True(code == 0, $"dotnet {string.Join(' ', arguments)} ended with {code}:\n{printed}");
        return printed;
    }
}
