using Akka.Actor;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// What an operator does with the counters of the running server. Each key is asked of its owner, so that nothing is read or changed
/// behind its back.
/// </summary>
public sealed class CounterOperations
{
    private readonly OwnedCounters _counters;
    private readonly CounterNode _node;

    internal CounterOperations(OwnedCounters counters, CounterNode node) => (_counters, _node) = (counters, node);

    /// <summary>
    /// The sums of a window and what is reserved beside them; null when there was no answer before the token was cancelled.
    /// </summary>
    public ValueTask<CounterProtocol.Inspected?> InspectAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        _counters.InspectAsync(key, window, ct);

    /// <summary>
    /// The chosen sums of the window become these. Null when there was no answer before the token was cancelled: it may happen yet.
    /// </summary>
    public ValueTask<CounterProtocol.Changed?> SetAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, CounterSums which, CancellationToken ct) =>
        _counters.SetAsync(key, window, amounts, which, ct);

    /// <summary>
    /// Waits until all that was added on this node before is written; false when it is not within the time: the database is away.
    /// </summary>
    public async Task<bool> FlushAsync(string connection, TimeSpan timeout)
    {
        try
        {
            return (await _node.Writer(connection)
                .Ask<CounterWriterProtocol.Flushed>(new CounterWriterProtocol.Flush(), timeout)
                .ConfigureAwait(false)).Written;
        }
        catch (AskTimeoutException)
        {
            return false;
        }
    }
}
