using Policyd.Bench.Servers;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>A server of the past, made from the history of the repository.</summary>
internal static class EarlierBuild
{
    // Two processors that others use as well compile all of it.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(10);

    private static string Repository => Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!;

    /// <summary>
    /// The commit in whose tree a file has a text for the first time; the test is skipped where the history is not there: in an archive of
    /// the sources, or in a shallow clone.
    /// </summary>
    public static async Task<string> CommitThatBrought(string text, string file)
    {
        var commits = await Git("log", "--format=%H", "--reverse", $"-S{text}", "--", file);
        var shallow = await Git("rev-parse", "--is-shallow-repository");
        if (commits.Length == 0 || shallow != "false")
        {
            Assert.Skip($"the history does not reach back to the commit that brought \"{text}\"");
        }

        return commits.Split('\n')[0];
    }

    /// <summary>The later of two commits of one line.</summary>
    public static async Task<string> Later(string one, string other) =>
        await Git("merge-base", one, other) == one ? other : one;

    /// <summary>Publishes the server of a commit.</summary>
    /// <param name="commit">Which.</param>
    /// <param name="folder">Where its sources and its files go.</param>
    /// <returns>The executable.</returns>
    public static async Task<string> Publish(string commit, TemporaryFolder folder)
    {
        await Git("archive", "-o", folder["sources.tar"], commit);
        Directory.CreateDirectory(folder["sources"]);
        await Run("tar", "-xf", folder["sources.tar"], "-C", folder["sources"]);
        await Run(
            "dotnet", "publish", folder["sources/Policyd.Server"], "-c", "Release", "-v", "quiet", "-o", folder["published"],
            "-nodeReuse:false", "-p:UseSharedCompilation=false", "-p:RunAnalyzers=false");
        return folder["published/policyd"];
    }

    private static async Task<string> Git(params string[] arguments)
    {
        if (Programs.Find("git") is not { } git)
        {
            Assert.Skip("git is not installed");
            throw new InvalidOperationException();
        }

        var (code, text) = await ProcessUnderTest.Run(git, ["-C", Repository, .. arguments]);
        if (code != 0)
        {
            Assert.Skip($"the history is not there: {text}");
        }

        return text.Trim();
    }

    private static async Task Run(string program, params string[] arguments)
    {
        await using var process = ProcessUnderTest.Start(Needs.Program(program), arguments);
        var code = await process.Exits(s_timeout);
        Assert.True(code == 0, string.Join('\n', process.Lines));
    }
}
