using Policyd.Backends.SqlDecisions;
using Policyd.Plugins.Sources;
using Policyd.Plugins.Sql;

namespace Policyd.Server.History;

/// <summary>
/// Deletes decisions that are too old, in small transactions with pauses between them: whoever writes at that time waits for none of them
/// for long. Each server of a cluster does so; what one has deleted the others do not find. It begins with the server, so a database that
/// is away is known before the first decision is to be stored.
/// </summary>
internal sealed class HistoryPurge(SqlDecisionStore store, TimeSpan keep, HistoryTroubles troubles)
{
    private const int EachChunk = 1000;

    // A part of the time that is kept, so that a short one is not exceeded by much.
    private const int EachKeep = 24;
    private static readonly TimeSpan s_betweenChunks = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longest = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_firstAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lastAgain = TimeSpan.FromSeconds(15);

    private readonly ExponentialDelay _again = new(s_firstAgain, s_lastAgain);

    /// <summary>Goes on until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var between = TimeSpan.FromTicks(Math.Clamp(keep.Ticks / EachKeep, s_shortest.Ticks, s_longest.Ticks));
        try
        {
            while (true)
            {
                await Task.Delay(await PurgeAsync(stopping) ? between : _again.Next(), stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <returns>False when the database is away.</returns>
    private async Task<bool> PurgeAsync(CancellationToken stopping)
    {
        try
        {
            while (await ChunkAsync(stopping) >= EachChunk)
            {
                await Task.Delay(s_betweenChunks, stopping);
            }
        }
        catch (SqlAwayException away)
        {
            troubles.NotReached(away);
            return false;
        }
        catch (Exception failure) when (!stopping.IsCancellationRequested)
        {
            troubles.NotPurged(failure);
        }

        _again.Reset();
        troubles.Reached();
        return true;
    }

    private async Task<int> ChunkAsync(CancellationToken stopping)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        patience.CancelAfter(s_patience);
        return await store.PurgeAsync(DateTimeOffset.UtcNow - keep, EachChunk, patience.Token);
    }
}
