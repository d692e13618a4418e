using System.CommandLine;
using System.Globalization;
using Policyd.Fuzz.Harness;

namespace Policyd.Fuzz.Commands;

/// <summary>`run`: fuzzes some targets or all, several at a time. Exit code 1 when one fails.</summary>
internal static class RunCommand
{
    private const double DefaultSeconds = 60;

    public static Command Create(IReadOnlyList<FuzzTarget> targets)
    {
        var names = new Argument<string[]>("targets")
        {
            Description = "Targets; all when none is named.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        names.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => FuzzCommand.Find(targets, token.Value) is null))
            {
                result.AddError(FuzzCommand.Unknown(targets, token.Value));
            }
        });
        var seconds = new Option<double?>("--seconds") { Description = $"How long the whole run takes; {DefaultSeconds} by default." };
        var executions = new Option<long?>("--executions") { Description = "End each target after so many executions." };
        var seed = new Option<int?>("--seed") { Description = "The seed of all targets; random when it is not given." };
        var jobs = new Option<int>("--jobs")
        {
            Description = "How many targets run at a time.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var failures = new Option<DirectoryInfo>("--failures")
        {
            Description = "Where the inputs that fail are written.",
            DefaultValueFactory = _ => new DirectoryInfo("fuzz-failures"),
        };
        AtLeast(seconds, 0.001);
        AtLeast(executions, 1);
        AtLeast(jobs, 1);
        var command = new Command("run", "Fuzz targets.") { names, seconds, executions, seed, jobs, failures };
        command.SetAction(result =>
        {
            var chosen = result.GetValue(names) is { Length: > 0 } given ? targets.Where(target => given.Contains(target.Name)) : targets;
            var settings = new FuzzSettings(
                [.. chosen],
                result.GetValue(seed) ?? Random.Shared.Next(),
                Budget(result.GetValue(seconds), result.GetValue(executions), result.GetValue(jobs), chosen.Count()),
                result.GetValue(jobs),
                result.GetRequiredValue(failures).FullName);
            return RunAll(settings, result.InvocationConfiguration.Output);
        });
        return command;
    }

    // Each target gets the same share of the time.
    private static FuzzBudget Budget(double? seconds, long? executions, int jobs, int targets)
    {
        var share = Math.Min(1.0, (double)jobs / Math.Max(1, targets));
        return seconds is null && executions is not null
            ? new FuzzBudget(executions.Value, TimeSpan.MaxValue)
            : new FuzzBudget(executions ?? long.MaxValue, TimeSpan.FromSeconds((seconds ?? DefaultSeconds) * share));
    }

    private static void AtLeast<T>(Option<T> option, double least) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<T>() is IConvertible given && given.ToDouble(CultureInfo.InvariantCulture) < least)
        {
            result.AddError($"{option.Name} is at least {least.ToString(CultureInfo.InvariantCulture)}.");
        }
    });

    private static int RunAll(FuzzSettings settings, TextWriter output)
    {
        Directory.CreateDirectory(settings.Failures);
        output.WriteLine($"seed {settings.Seed}");
        output.WriteLine(FuzzReportText.Head);
        var printing = new Lock();
        var failed = false;
        Parallel.ForEach(settings.Targets, new ParallelOptions { MaxDegreeOfParallelism = settings.Jobs }, target =>
        {
            var text = target.Missing is { } reason ? $"{target.Name,-18} skipped: {reason}"
                : FuzzReportText.Of(RunOne(target, settings, ref failed), settings.Failures);
            lock (printing)
            {
                output.WriteLine(text);
            }
        });
        return failed ? 1 : 0;
    }

    private static FuzzReport RunOne(FuzzTarget target, FuzzSettings settings, ref bool failed)
    {
        using var last = new LastInput(Path.Combine(settings.Failures, target.Name + ".last"));
        var report = new FuzzRun(target, settings.Seed, settings.Budget, last.Write).Run();
        if (report.Failure is not null)
        {
            Volatile.Write(ref failed, true);
            File.WriteAllBytes(FuzzReportText.FileOf(report, settings.Failures), report.Input);
        }

        return report;
    }
}

/// <summary>What `run` was asked for.</summary>
internal sealed record FuzzSettings(IReadOnlyList<FuzzTarget> Targets, int Seed, FuzzBudget Budget, int Jobs, string Failures);
