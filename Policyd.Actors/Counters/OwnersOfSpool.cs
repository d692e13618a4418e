using Policyd.Counting.Spool;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// In a cluster: has what an earlier life of this node has spooled counted by the owners of the keys, wherever they are now. They tell by
/// its request id what was counted meanwhile. Asks until each is counted, or is in a spool of this life.
/// </summary>
/// <param name="connection">The connection whose spool it is.</param>
/// <param name="counters">The owners.</param>
internal sealed class OwnersOfSpool(string connection, ICounters counters)
{
    // What one message between nodes holds.
    private const int AtATime = 500;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>Completes when all are counted.</summary>
    public async Task CountAsync(IReadOnlyList<SpoolEntry> entries, CancellationToken ct)
    {
        var left = new List<SpoolEntry>(entries);
        while (left.Count > 0)
        {
            var refused = new List<SpoolEntry>();
            foreach (var some in left.Chunk(AtATime))
            {
                refused.AddRange(await AskAsync(some, ct).ConfigureAwait(false));
            }

            left = refused;
            if (left.Count > 0)
            {
                await Task.Delay(s_pause, ct).ConfigureAwait(false);
            }
        }
    }

    private async Task<IEnumerable<SpoolEntry>> AskAsync(SpoolEntry[] entries, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        var phase = new CounterPhase();
        AddOperation[] adds = [.. entries.Select(entry => phase.Put(AddOf(entry)))];
        await phase.RunAsync(counters, patience.Token).ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
        return entries.Where((_, index) => adds[index].Answer.State == CounterState.Unavailable);
    }

    private AddOperation AddOf(SpoolEntry entry) => new(
        new CounterKey(connection, entry.Table, entry.Key),
        CounterWindow.OfRow(entry.Time),
        entry.Amounts,
        MailId.None,
        entry.RequestId);
}
