using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Policyd.Bench.Micro;

namespace Policyd.Bench.Commands;

/// <summary>`micro`: BenchmarkDotNet on the parts that have no socket.</summary>
internal static class MicroCommand
{
    public static Command Create()
    {
        var quick = new Option<bool>("--quick")
        {
            Description = "Three short iterations inside this process: half a minute, for a first look."
        };
        var filter = new Option<string>("--filter")
        {
            Description = "Which benchmarks, as BenchmarkDotNet's --filter.",
            DefaultValueFactory = _ => "*",
        };
        var command = new Command(
            "micro",
            "Micro-benchmarks of the reader, the chain, the session store, the ids and the store of counters and the log's line: "
                + "time and allocation of one request.")
            {
                quick, filter
            };
        command.SetAction(result =>
        {
            // In this process: the default toolchain restores and builds a project for each benchmark, which needs a package source.
            var job = (result.GetValue(quick) ? Job.ShortRun : Job.Default).WithToolchain(InProcessEmitToolchain.Instance);
            var artifacts = Path.Combine(Path.GetTempPath(), "policyd-bench-micro");
            var config = DefaultConfig.Instance.AddJob(job).WithArtifactsPath(artifacts);
            var summaries = BenchmarkSwitcher
                .FromTypes([
                    typeof(ReaderBenchmarks),
                    typeof(ChainBenchmarks),
                    typeof(LogBenchmarks),
                    typeof(SessionStoreBenchmarks),
                    typeof(CounterIdBenchmarks),
                    typeof(CounterStoreBenchmarks),
                ])
                .Run(["--filter", result.GetRequiredValue(filter)], config)
                .ToArray();
            return summaries.Length > 0
                && summaries.All(summary => !summary.HasCriticalValidationErrors && summary.Reports.All(report => report.Success)) ? 0 : 1;
        });
        return command;
    }
}
