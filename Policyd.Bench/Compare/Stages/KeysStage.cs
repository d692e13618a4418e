using Policyd.Bench.Load;

namespace Policyd.Bench.Compare.Stages;

/// <summary>
/// Whether many keys make a counting server slower. A server that is warm with the usual keys is loaded with many: first for some
/// seconds, in which nearly every key is new to it, then once with each of them, then in turn with the usual ones.
/// </summary>
internal sealed class KeysStage
{
    private const int MostWindowsBefore = 3;

    private readonly ComparisonRun _run;
    private readonly ContenderStart _server;
    private readonly Figure _few;
    private readonly Figure _first;
    private readonly Figure _firstShare;
    private readonly Figure _many;
    private readonly Figure _share;
    private readonly Figure _processor;
    private readonly Figure _resident;

    private KeysStage(ComparisonRun run, ContenderStart server)
    {
        (_run, _server) = (run, server);
        var options = run.Options;
        var many = FormattableString.Invariant($"{options.ManyKeys:N0} keys");
        var first = FormattableString.Invariant($"first {options.ManyKeysFirst.TotalSeconds:0.#} s");
        var few = FormattableString.Invariant($"{options.Load.Keys:N0}");
        _few = new Figure(Stage.Keys, $"requests/s, {few} keys", 0);
        _first = new Figure(Stage.Keys, $"requests/s, {many}, {first}", 0);
        _firstShare = new Figure(Stage.Keys, $"{many} / {few}, {first}", 2);
        _many = new Figure(Stage.Keys, $"requests/s, {many}, warm", 0);
        _share = new Figure(Stage.Keys, $"{many} / {few}, warm", 2);
        _processor = new Figure(Stage.Keys, $"CPU µs/request, {many}, warm", 1);
        _resident = new Figure(Stage.Keys, $"memory MiB, {many}", 0);
    }

    private LoadOptions Few => _run.Options.Load with { Duration = _run.Options.Window, Requests = null, Warmup = _run.Options.LeadIn };

    private LoadOptions Many => Few with { Keys = _run.Options.ManyKeys };

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        foreach (var server in run.Servers.Where(server => server.Counts))
        {
            await new KeysStage(run, server).MeasureAsync(cancellation).ConfigureAwait(false);
        }
    }

    private async Task MeasureAsync(CancellationToken cancellation)
    {
        await using var contender = await _run.StartAsync(_server, cancellation).ConfigureAwait(false);
        await RunningStages.WarmUpAsync(_run, contender, cancellation).ConfigureAwait(false);
        await MeasureFirstAsync(contender, cancellation).ConfigureAwait(false);

        // With random keys the last of them would come very late.
        var each = Many with
        {
            KeyOrder = KeyOrder.RoundRobin,
            Requests = _run.Options.ManyKeys,
            Duration = null,
            Warmup = TimeSpan.Zero,
            ProgressInterval = TimeSpan.FromSeconds(10),
        };
        await _run.LoadAsync(contender, each, progress => Report($"each key once: {progress.RequestsPerSecond,8:0}/s"), cancellation)
            .ConfigureAwait(false);
        for (var round = 1; round <= _run.Options.Rounds; round++)
        {
            await MeasureWarmAsync(contender, round, cancellation).ConfigureAwait(false);
        }

        _run.Figures.Add(_resident, _server.Name, ProcessMemory.ReadResident(contender.ProcessId) / 1048576.0);
        await _run.CheckSumsAsync(contender, cancellation).ConfigureAwait(false);
    }

    private async Task MeasureFirstAsync(Contender contender, CancellationToken cancellation)
    {
        var before = new List<double>();
        for (var window = 1; window <= Math.Min(_run.Options.Rounds, MostWindowsBefore); window++)
        {
            var usual = await _run.LoadAsync(contender, Few, null, cancellation).ConfigureAwait(false);
            before.Add(usual.RequestsPerSecond);
        }

        var load = Many with { Duration = _run.Options.ManyKeysFirst, Warmup = TimeSpan.Zero };
        var first = await _run.LoadAsync(contender, load, null, cancellation).ConfigureAwait(false);
        _run.Figures.Add(_first, _server.Name, first.RequestsPerSecond);
        var share = AddShare(_firstShare, first.RequestsPerSecond, Spread.Of(before).Median);
        Report($"first seconds with many keys {first.RequestsPerSecond:0}/s, {share:0.00} of the usual ones");
    }

    private async Task MeasureWarmAsync(Contender contender, int round, CancellationToken cancellation)
    {
        var few = await _run.LoadAsync(contender, Few, null, cancellation).ConfigureAwait(false);
        var many = await _run.LoadAsync(contender, Many with { Seed = Few.Seed + round }, null, cancellation).ConfigureAwait(false);
        _run.Figures.Add(_few, _server.Name, few.RequestsPerSecond);
        _run.Figures.Add(_many, _server.Name, many.RequestsPerSecond);
        var share = AddShare(_share, many.RequestsPerSecond, few.RequestsPerSecond);
        _run.Figures.Add(_processor, _server.Name, many.ProcessorMicroseconds ?? 0);
        Report($"round {round}: many {many.RequestsPerSecond,8:0}/s, usual {few.RequestsPerSecond,8:0}/s, {share:0.00}");
    }

    // A window in which nothing was answered has no share.
    private double? AddShare(Figure figure, double many, double few)
    {
        if (few <= 0)
        {
            return null;
        }

        _run.Figures.Add(figure, _server.Name, many / few);
        return many / few;
    }

    private void Report(FormattableString line) => _run.Report($"{"keys",-11} {_server.Name,-10} {FormattableString.Invariant(line)}");
}
