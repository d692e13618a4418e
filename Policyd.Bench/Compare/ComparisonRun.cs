using System.Globalization;
using Policyd.Bench.Commands;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>What the stages of a comparison share: the servers, the options, and what has been measured so far.</summary>
internal sealed class ComparisonRun(IReadOnlyList<ContenderStart> servers, CompareOptions options, string directory, Action<string> report)
{
    private static readonly Figure FirstAnswer = new(Stage.Start, "first answer ms", 0);

    private readonly List<Warmup> _warmups = [];
    private readonly List<string> _problems = [];

    public IReadOnlyList<ContenderStart> Servers => servers;

    public CompareOptions Options => options;

    public Figures Figures { get; } = new();

    public IReadOnlyList<Warmup> Warmups => _warmups;

    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Tells people how far the comparison is.</summary>
    public void Report(string line) => report(line);

    public void Fail(string problem)
    {
        _problems.Add(problem);
        report(problem);
    }

    public void Warmed(Warmup warmup) => _warmups.Add(warmup);

    /// <summary>Starts a server; its first answer is a figure in each stage that starts one.</summary>
    public async Task<Contender> StartAsync(ContenderStart server, CancellationToken cancellation)
    {
        var contender = await Contender.StartAsync(server, directory, cancellation).ConfigureAwait(false);
        Figures.Add(FirstAnswer, server.Name, contender.FirstAnswer.TotalMilliseconds);
        Report($"{server.Name}: first answer {contender.FirstAnswer.TotalMilliseconds:0} ms after its start");
        return contender;
    }

    /// <summary>Loads a server for one window, and keeps what went wrong.</summary>
    public async Task<LoadReport> LoadAsync(
        Contender contender, LoadOptions load, Action<LoadProgress>? progress, CancellationToken cancellation)
    {
        var expect = contender.Start.IsOurs ? load.Expect : null;
        var asked = load with { Endpoint = contender.Endpoint, Expect = expect, ServerPid = contender.ProcessId };
        var measured = await LoadCommand.MeasureAsync(asked, progress, cancellation).ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
        if (measured.Errors.Total > 0)
        {
            var answer = measured.FirstWrongAnswer is { } wrong ? $", first wrong answer: {wrong}" : string.Empty;
            Fail($"{contender.Name}: errors {measured.Errors}{answer}");
        }

        return measured;
    }
}
