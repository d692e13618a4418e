using System.Text.RegularExpressions;
using Policyd.Tests.Support;

namespace Policyd.Tests.Repository;

/// <summary>A test that starts a process is marked as one: otherwise it would be among the fast ones.</summary>
public sealed partial class TestKindsSpecs
{
    [Fact]
    public async Task Fast_test_may_start_no_process()
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => ProcessUnderTest.Run("/bin/true"));
        Assert.Equal(
            "TestKindsSpecs.Fast_test_may_start_no_process starts /bin/true: mark the test or its class with [ServerTest]",
            refused.Message);
    }

    [Fact]
    [ServerTest]
    public async Task Marked_test_may()
    {
        Assert.Equal(0, (await ProcessUnderTest.Run("/bin/true")).ExitCode);
    }

    [Fact]
    public void Test_code_that_starts_a_process_asks_first_whether_the_test_may()
    {
        var folder = Path.Combine(Path.GetDirectoryName(FilesAbove.OfTheRepository("PolicydActors.sln"))!, "Policyd.Tests");
        var starters = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(file => Starts().IsMatch(File.ReadAllText(file)))
            .ToList();
        Assert.Contains(starters, file => file.EndsWith("/ProcessUnderTest.cs", StringComparison.Ordinal));
        Assert.All(starters, file => Assert.Contains("TestKinds.MayStart(", File.ReadAllText(file), StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\bProcess\.Start\(|new Process(StartInfo)?\b")]
    private static partial Regex Starts();
}
