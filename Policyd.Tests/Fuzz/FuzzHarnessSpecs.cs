using System.Text;
using Policyd.Fuzz.Commands;
using Policyd.Fuzz.Harness;
using Policyd.Tests.Support;

namespace Policyd.Tests.Fuzz;

/// <summary>The harness finds a planted fault, makes its input small, and replays it; and it bounds time and memory.</summary>
public sealed class FuzzHarnessSpecs
{
    private static readonly FuzzBudget s_budget = new(100_000, TimeSpan.MaxValue);

    [Fact]
    public async Task Planted_fault_is_found_minimized_and_replayed()
    {
        using var folder = new TemporaryFolder();
        var target = new PlantedTarget(ThrowsAtBang, "!?"u8.ToArray());
        var (exit, output) = await InvokeAsync(target, "run", "planted", "--executions", "100000", "--seed", "7", "--failures",
            folder.Path);
        Assert.Equal(1, exit);
        Assert.Contains("FAILED: planted, seed 7: DivideByZeroException", output, StringComparison.Ordinal);
        var file = Assert.Single(Directory.GetFiles(folder.Path));
        Assert.Equal("!?", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Contains($"replay planted {file}", output, StringComparison.Ordinal);

        (exit, output) = await InvokeAsync(target, "replay", "planted", file);
        Assert.Equal(1, exit);
        Assert.Contains("DivideByZeroException", output, StringComparison.Ordinal);
        (exit, output) = await InvokeAsync(new PlantedTarget(static _ => Outcome.Accepted("mended")), "replay", "planted", file);
        Assert.Equal(0, exit);
        Assert.Contains("accepted", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sound_target_leaves_no_file_and_exit_code_0()
    {
        using var folder = new TemporaryFolder();
        var target = new PlantedTarget(static input => input.Length % 2 == 0 ? Outcome.Accepted("even") : Outcome.Rejected("odd"));
        var (exit, output) = await InvokeAsync(target, "run", "--executions", "500", "--seed", "3", "--failures", folder.Path);
        Assert.Equal(0, exit);
        Assert.Contains("seed 3", output, StringComparison.Ordinal);
        Assert.Contains(" 500 ", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Same_seed_gives_the_same_inputs()
    {
        List<string> Inputs(int seed)
        {
            var inputs = new List<string>();
            var target = new PlantedTarget(static input =>
                Outcome.Accepted(input.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            new FuzzRun(target, seed, new FuzzBudget(300, TimeSpan.MaxValue), input => inputs.Add(Convert.ToHexString(input))).Run();
            return inputs;
        }

        Assert.Equal(Inputs(11), Inputs(11));
        Assert.NotEqual(Inputs(11), Inputs(12));
    }

    [Fact]
    public void Allocation_beyond_the_bound_is_a_failure()
    {
        var target = new PlantedTarget(static input =>
            Outcome.Accepted(Encoding.UTF8.GetString(new byte[input.Length > 12 ? 100_000 : 10])));
        var report = new FuzzRun(target, 1, s_budget).Run();
        Assert.Equal("allocation", report.Failure?.Kind);
        Assert.Equal(13, report.Input.Length);
    }

    [Fact]
    public void First_use_of_a_table_is_not_counted()
    {
        byte[]? table = null;
        var report = new FuzzRun(new PlantedTarget(_ => Outcome.Accepted($"{(table ??= new byte[100_000]).Length}")), 1,
            new FuzzBudget(100, TimeSpan.MaxValue)).Run();
        Assert.Null(report.Failure);
    }

    [Fact]
    public void Execution_that_does_not_end_is_a_failure_with_its_input()
    {
        using var ended = new ManualResetEventSlim();
        var target = new PlantedTarget(input =>
        {
            if (input.Length > 20)
            {
                ended.Wait(TestContext.Current.CancellationToken);
            }

            return Outcome.Accepted("");
        });
        var report = new FuzzRun(target, 1, s_budget) { Hang = TimeSpan.FromMilliseconds(500) }.Run();
        ended.Set();
        Assert.Equal("hang", report.Failure?.Kind);
        Assert.True(report.Input.Length > 20);
    }

    [Theory]
    [InlineData("run nonsense", "there is no target 'nonsense'; there are planted")]
    [InlineData("replay nonsense file", "there is no target 'nonsense'; there are planted")]
    [InlineData("replay planted /nonexistent/file", "/nonexistent/file does not exist")]
    [InlineData("run --executions 0", "--executions is at least 1")]
    public async Task Wrong_argument_is_named(string line, string expected)
    {
        var (exit, output) = await InvokeAsync(new PlantedTarget(static _ => Outcome.Accepted("")), line.Split(' '));
        Assert.Equal(1, exit);
        Assert.Contains(expected, output, StringComparison.Ordinal);
    }

    private static Outcome ThrowsAtBang(byte[] input) =>
        input.AsSpan().IndexOf("!?"u8) >= 0 ? throw new DivideByZeroException("planted") : Outcome.Accepted("");

    private static async Task<(int Exit, string Output)> InvokeAsync(FuzzTarget target, params string[] arguments)
    {
        var output = new StringWriter();
        var exit = await FuzzCommand.Create([target]).Parse(arguments).InvokeAsync(new() { Output = output, Error = output },
            TestContext.Current.CancellationToken);
        return (exit, output.ToString());
    }
}
