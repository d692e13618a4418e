using Policyd.Bench.Servers;

namespace Policyd.Tests.Support;

/// <summary>
/// What a test needs beyond the SDK. Where it is absent the test is skipped with a printed reason; in CI, where everything is
/// installed (POLICYD_CI=1), the same is a failure, so that nothing is ever skipped unseen.
/// </summary>
internal static class Needs
{
    private static bool InCi => Environment.GetEnvironmentVariable("POLICYD_CI") == "1";

    /// <summary>The full path of a program on PATH, in the usual sbin folders or in <paramref name="alsoIn"/>.</summary>
    public static string Program(string name, params string[] alsoIn) =>
        Programs.Find(name, alsoIn) ?? Missing<string>($"the program {name} is not installed");

    /// <summary>A module of Perl's, which mtpolicyd loads for some of its own.</summary>
    public static async Task Perl(string module, string package)
    {
        var (code, _) = await ProcessUnderTest.Run(Program("perl"), $"-M{module}", "-e", "1");
        if (code != 0)
        {
            Missing<object>($"Perl's {module} is not installed (Debian: {package})");
        }
    }

    /// <summary>A file of a package of the system's.</summary>
    public static string File(string path, string package) =>
        System.IO.File.Exists(path) ? path : Missing<string>($"{path} is not installed (Debian: {package})");

    public static void Root()
    {
        if (Environment.UserName != "root")
        {
            Missing<object>("this test starts services and needs root");
        }
    }

    /// <summary>
    /// Bytes and work items of the product are those of an optimized build. In a Debug build, which `dotnet test` makes, the compiler makes
    /// the state machines of async methods classes: what is measured there is the compiler's garbage.
    /// </summary>
    public static void OptimizedBuild()
    {
#if DEBUG
        Missing<object>("garbage is measured in an optimized build (dotnet test -c Release)");
#endif
    }

    /// <summary>A file or folder of test data that stands beside the repository and is not part of it.</summary>
    public static string SharedData(string relativePath)
    {
        if (FilesAbove.Find(Path.Combine("shared", relativePath)) is { } found)
        {
            return found;
        }

        Assert.Skip($"the test data shared/{relativePath} is not there");
        throw new InvalidOperationException();
    }

    public static T Missing<T>(string reason)
    {
        if (InCi)
        {
            Assert.Fail("CI must not skip this: " + reason);
        }

        Assert.Skip(reason);
        throw new InvalidOperationException();
    }
}
