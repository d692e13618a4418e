using System.Globalization;
using Policyd.Bench.Commands;
using Policyd.Bench.Databases;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>What the stages of a comparison share: the servers, the options, and what has been measured so far.</summary>
internal sealed class ComparisonRun(
    IReadOnlyList<ContenderStart> servers, CompareOptions options, string directory, IDatabaseServer databases, Action<string> report)
{
    private static readonly Figure FirstAnswer = new(Stage.Start, "first answer ms", 0);

    private readonly List<Warmup> _warmups = [];
    private readonly List<string> _problems = [];
    private readonly List<(string Server, SumsResult Result)> _sums = [];

    public IReadOnlyList<ContenderStart> Servers => servers;

    public CompareOptions Options => options;

    /// <summary>Where servers keep their files.</summary>
    public string Directory => directory;

    /// <summary>Makes the databases of chains that count.</summary>
    public IDatabaseServer Databases => databases;

    public Figures Figures { get; } = new();

    public IReadOnlyList<Warmup> Warmups => _warmups;

    public IReadOnlyList<string> Problems => _problems;

    /// <summary>The sums that were found exact.</summary>
    public IReadOnlyList<(string Server, SumsResult Result)> Sums => _sums;

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
        var contender = await Contender.StartAsync(server, directory, databases, cancellation).ConfigureAwait(false);
        contender.FirstUnusedKey = options.Load.Keys;
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
        contender.Sums?.Add(measured.Asked.SurelyAnswered, measured.Asked.Mails);
        if (measured.Errors.Total > 0)
        {
            var answer = measured.FirstWrongAnswer is { } wrong ? $", first wrong answer: {wrong}" : string.Empty;
            Fail($"{contender.Name}: errors {measured.Errors}{answer}");
        }

        return measured;
    }

    /// <summary>Loads a server for one window with keys that no request had before.</summary>
    public async Task<LoadReport> LoadNewKeysAsync(
        Contender contender, LoadOptions load, Action<LoadProgress>? progress, CancellationToken cancellation)
    {
        var asked = load with
        {
            Keys = RequestTemplate.MaxKeys,
            KeyOrder = KeyOrder.RoundRobin,
            FirstKey = contender.FirstUnusedKey,
            RecipientsPerInstance = 1,
        };
        var measured = await LoadAsync(contender, asked, progress, cancellation).ConfigureAwait(false);
        contender.FirstUnusedKey += measured.Asked.Requests;
        return contender.FirstUnusedKey <= RequestTemplate.MaxKeys
            ? measured
            : throw new InvalidOperationException($"{contender.Name}: all {RequestTemplate.MaxKeys} keys are used; take fewer windows.");
    }

    /// <summary>At the end of a stage: what a server has counted since its start is what it was asked for.</summary>
    public async Task CheckSumsAsync(Contender contender, CancellationToken cancellation)
    {
        if (contender.Sums is null)
        {
            return;
        }

        var result = await contender.Sums.CheckAsync(cancellation).ConfigureAwait(false);
        if (result.IsExact)
        {
            Report($"{contender.Name}: {result}");
            _sums.Add((contender.Name, result));
        }
        else
        {
            Fail($"{contender.Name}: {result}");
        }
    }
}
