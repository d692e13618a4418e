using System.Globalization;
using Policyd.Fuzz.Harness;
using Policyd.Fuzz.Targets;
using Policyd.Tests.Support;

namespace Policyd.Tests.Fuzz;

/// <summary>Each target of Policyd.Fuzz for a moment, and with the inputs that once failed. POLICYD_SEED gives a seed again.</summary>
public sealed class FuzzTargetSpecs(ITestOutputHelper output)
{
    private const int Executions = 200;
    private const string Regressions = "Policyd.Tests/Fuzz/Regressions";

    public static TheoryData<string> Targets => [.. AllTargets.Create().Select(static target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Target_holds_for_mutants_of_its_samples(string name)
    {
        var seed = TestSeed.Next();
        output.WriteLine($"{name}: POLICYD_SEED={seed}");
        var report = new FuzzRun(Runnable(name), seed, new FuzzBudget(Executions, TimeSpan.MaxValue)).Run();
        Assert.True(report.Failure is null, $"seed {seed}: {report.Failure} with {Convert.ToHexString(report.Input)}");
        Assert.Equal((long)Executions, report.Executions);
        Assert.True(report is { Accepted: > 0, Rejected: > 0 }, $"seed {seed}: {report.Accepted} accepted, {report.Rejected} rejected");
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Target_holds_for_the_inputs_that_once_failed(string name)
    {
        var target = Runnable(name);
        foreach (var file in Directory.GetFiles(FilesAbove.OfTheRepository(Regressions), $"{name}.*.bin"))
        {
            Assert.Null(Execution.Run(target, File.ReadAllBytes(file), out _, out _));
        }
    }

    [Fact]
    public void Every_input_that_once_failed_belongs_to_a_target()
    {
        var names = AllTargets.Create().Select(static target => target.Name).ToList();
        Assert.All(Directory.GetFiles(FilesAbove.OfTheRepository(Regressions)), file =>
            Assert.Contains(Path.GetFileName(file).Split('.')[0], names));
    }

    private static FuzzTarget Runnable(string name)
    {
        var target = AllTargets.Create().Single(one => one.Name == name);
        Assert.SkipUnless(target.Missing is null, target.Missing ?? "");
        return target;
    }
}
