using Policyd.Bench.Load;
using Policyd.Bench.Runtime;

namespace Policyd.Bench.Compare.Stages;

/// <summary>
/// Memory of the owner of a key. Two servers are loaded with as many mails; one gets the usual keys and the other two new keys with
/// each mail. Sessions, request ids and pools grow in both, so what the second has more is that of the owners.
/// </summary>
internal static class OwnersStage
{
    private const int KeysOfAMail = 2;

    private static readonly Figure Heap = new(Stage.Owners, "heap bytes/owner", 0);
    private static readonly Figure Resident = new(Stage.Owners, "resident bytes/owner", 0);

    public static async Task RunAsync(ComparisonRun run, CancellationToken cancellation)
    {
        foreach (var server in run.Servers.Where(server => server.Counts))
        {
            var usual = await GrowAsync(run, server, newKeys: false, cancellation).ConfigureAwait(false);
            var owners = await GrowAsync(run, server, newKeys: true, cancellation).ConfigureAwait(false);
            var heap = (owners.Heap - usual.Heap) / owners.Keys;
            var resident = (owners.Resident - usual.Resident) / owners.Keys;
            run.Figures.Add(Heap, server.Name, heap);
            run.Figures.Add(Resident, server.Name, resident);
            var told = FormattableString.Invariant($"heap {heap:0} bytes, resident {resident:0} bytes an owner, of {owners.Keys:N0}");
            run.Report($"{"owners",-11} {server.Name,-10} {told}");
        }
    }

    private static async Task<Growth> GrowAsync(ComparisonRun run, ContenderStart server, bool newKeys, CancellationToken cancellation)
    {
        await using var contender = await run.StartAsync(server, cancellation).ConfigureAwait(false);
        var load = run.Options.Load with
        {
            Duration = null,
            Requests = Math.Max(1, run.Options.Owners / KeysOfAMail),
            Warmup = TimeSpan.Zero,
            RecipientsPerInstance = 1,
        };
        await run.LoadAsync(contender, load, null, cancellation).ConfigureAwait(false);
        var before = await SizeAsync(contender, cancellation).ConfigureAwait(false);
        var measured = newKeys
            ? await run.LoadNewKeysAsync(contender, load, null, cancellation).ConfigureAwait(false)
            : await run.LoadAsync(contender, load, null, cancellation).ConfigureAwait(false);
        var after = await SizeAsync(contender, cancellation).ConfigureAwait(false);
        await run.CheckSumsAsync(contender, cancellation).ConfigureAwait(false);
        return new Growth(after.Heap - before.Heap, after.Resident - before.Resident, measured.Asked.Requests * KeysOfAMail);
    }

    private static async Task<(double Heap, double Resident)> SizeAsync(Contender contender, CancellationToken cancellation)
    {
        var heap = await HeapSize.ReadAsync(contender.ProcessId, cancellation).ConfigureAwait(false);
        return (heap, ProcessMemory.ReadResident(contender.ProcessId));
    }

    private sealed record Growth(double Heap, double Resident, double Keys);
}
