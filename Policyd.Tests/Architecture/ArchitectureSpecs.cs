using System.Reflection;
using System.Reflection.Metadata;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Policyd.Backends.Ldap;
using Policyd.Backends.Memcached;
using Policyd.Backends.Redis;
using Policyd.Configuration.Tree;
using Policyd.Engine.Loading;
using Policyd.Modules;
using Policyd.Plugins.Api;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Architecture;

/// <summary>
/// The arrows between projects, and between the folders of each, point one way; docs/architecture.md has the reason of each project.
/// </summary>
public sealed partial class ArchitectureSpecs(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string[]> s_mayUse = new(StringComparer.Ordinal)
    {
        ["Policyd.Protocol"] = [],
        ["Policyd.Configuration"] = [],
        ["Policyd.Plugins"] = ["Policyd.Protocol", "Policyd.Configuration"],
        ["Policyd.Plugins.Testing"] = ["Policyd.Plugins"],
        ["Policyd.Counting"] = ["Policyd.Plugins"],
        ["Policyd.Modules"] = ["Policyd.Plugins"],
        ["Policyd.Backends"] = ["Policyd.Plugins", "Policyd.Counting"],
        ["Policyd.Engine"] = ["Policyd.Backends", "Policyd.Modules"],
        ["Policyd.Actors"] = ["Policyd.Engine"],
        ["Policyd.Server"] = ["Policyd.Actors"],
    };

    private static readonly string[] s_drivers =
        ["Microsoft.Data.Sqlite", "SQLitePCLRaw.core", "Npgsql", "MySqlConnector", "StackExchange.Redis", "MaxMind.Db", "linq2db"];

    private static readonly string[] s_core = ["Policyd.Engine", "Policyd.Actors", "Policyd.Server"];

    private static IEnumerable<string> Assemblies =>
        s_mayUse.Keys.Select(
            static project => Path.Combine(AppContext.BaseDirectory, (project == "Policyd.Server" ? "policyd" : project) + ".dll"));

    /// <summary>A project may also use what those that it may use may use.</summary>
    private static HashSet<string> Reach(string project) => [.. s_mayUse[project].SelectMany(used => Reach(used).Append(used))];

    [Fact]
    public void Project_uses_only_what_it_may_use()
    {
        var dependencies = new Dependencies(Assemblies);
        var wrong = dependencies.ByNamespace.SelectMany(static uses => uses.Select(to => (From: uses.Key, To: to)))
            .Where(static use => Dependencies.ProjectOf(use.From) != Dependencies.ProjectOf(use.To))
            .Where(static use => !Reach(Dependencies.ProjectOf(use.From)).Contains(Dependencies.ProjectOf(use.To)))
            .Select(use => $"{use.From} uses {use.To}: {dependencies.Example(use.From, use.To)}");
        Assert.Equal([], wrong);
    }

    [Fact]
    public void Folders_of_a_project_do_not_use_each_other_in_a_circle()
    {
        var dependencies = new Dependencies(Assemblies);
        Print(dependencies);
        var circles = new Circles(
            dependencies.ByNamespace, static (from, to) => Dependencies.ProjectOf(from) == Dependencies.ProjectOf(to));
        var told = string.Join("\n\n", circles.All.Select(circle => string.Join('\n', Arrows(dependencies, circle))));
        Assert.True(told.Length == 0, told);
    }

    [Fact]
    public void Only_backends_have_drivers()
    {
        var wrong = from file in Assemblies
                    let name = Path.GetFileNameWithoutExtension(file)
                    where name != "Policyd.Backends"
                    from used in References(file)
                    where s_drivers.Contains(used)
                    select $"{name} uses {used}";
        Assert.Equal([], wrong);
    }

    [Fact]
    public void Namespace_is_that_of_the_folder()
    {
        var root = Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;
        var wrong = from project in s_mayUse.Keys.Concat(["Policyd.Tests", "Policyd.Bench", "Policyd.Fuzz"])
                    from file in Directory.EnumerateFiles(Path.Combine(root, project), "*.cs", SearchOption.AllDirectories)
                    let path = Path.GetRelativePath(root, file)
                    where !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)
                    let name = Namespace().Match(File.ReadAllText(file))
                    where name.Success && name.Groups[1].Value != Path.GetDirectoryName(path)!.Replace('/', '.')
                    select $"{path}: {name.Groups[1].Value}";
        Assert.Equal([], wrong);
    }

    [Fact]
    public void Modules_use_the_api_that_third_parties_have()
    {
        Assembly[] api = [typeof(Plugin).Assembly, typeof(PolicyRequest).Assembly, typeof(ConfigObject).Assembly];
        var wrong = from library in api
                    from friend in library.GetCustomAttributes<InternalsVisibleToAttribute>()
                    where new AssemblyName(friend.AssemblyName).Name == "Policyd.Modules"
                    select library.GetName().Name;
        Assert.Equal([], wrong);
    }

    [Fact]
    public void Core_names_no_module()
    {
        // The advice of check is about the options of our own modules; the registry finds them all from one of them.
        string[] but = ["Policyd.Engine/Advice/", "Policyd.Engine/Loading/ModuleRegistry.cs"];
        string[] modules =
        [
            .. ModuleRegistry.BuiltIn.Modules.Select(static module => module.Name),
            nameof(RedisConnectionOptions), nameof(MemcachedConnectionOptions), nameof(LdapConnectionOptions),
        ];
        var root = Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;
        var wrong = from project in s_core
                    from file in Directory.EnumerateFiles(Path.Combine(root, project), "*.cs", SearchOption.AllDirectories)
                    let path = Path.GetRelativePath(root, file)
                    where !path.Contains("/obj/", StringComparison.Ordinal) && !but.Any(path.StartsWith)
                    let words = Word().Matches(File.ReadAllText(file)).Select(static word => word.Value)
                    from module in modules.Intersect(words)
                    select $"{path}: {module}";
        Assert.Equal([], wrong);
    }

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    private static IEnumerable<string> Arrows(Dependencies dependencies, IReadOnlyCollection<string> circle) =>
        from a in circle
        from b in dependencies.ByNamespace[a].Where(circle.Contains).Distinct()
        select $"{a} -> {b}: {dependencies.Example(a, b)}";

    private static List<string> References(string file)
    {
        using var stream = File.OpenRead(file);
        using var portable = new System.Reflection.PortableExecutable.PEReader(stream);
        var reader = portable.GetMetadataReader();
        return [.. reader.AssemblyReferences.Select(one => reader.GetString(reader.GetAssemblyReference(one).Name))];
    }

    private void Print(Dependencies dependencies)
    {
        foreach (var uses in dependencies.ByNamespace.OrderBy(static uses => uses.Key, StringComparer.Ordinal))
        {
            output.WriteLine($"{uses.Key} -> {string.Join(", ", uses.Distinct().Order(StringComparer.Ordinal))}");
        }
    }
}
