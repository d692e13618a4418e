using Akka.Actor;
using Policyd.Counting.Owners;
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
    public async ValueTask<InspectedCounter?> InspectAsync(CounterKey key, CounterWindow window, CancellationToken ct)
    {
        var inspect = await RunAsync(new InspectOperation(key, window), ct).ConfigureAwait(false);
        return inspect.IsAnswered
            ? new InspectedCounter(inspect.Answer.State, inspect.Answer.Total, inspect.Reserved, inspect.Mails)
            : null;
    }

    /// <summary>
    /// The chosen sums of the window become these. Null when there was no answer before the token was cancelled: it may happen yet.
    /// </summary>
    public async ValueTask<ChangedCounter?> SetAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, CounterSums which, CancellationToken ct)
    {
        var set = await RunAsync(new SetSumsOperation(key, window, amounts, which), ct).ConfigureAwait(false);
        return set.IsAnswered ? new ChangedCounter(set.Answer.State, set.Before, set.Answer.Total) : null;
    }

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

    private async ValueTask<T> RunAsync<T>(T operation, CancellationToken ct)
        where T : CounterOperation
    {
        var phase = new CounterPhase();
        phase.Put(operation);
        await phase.RunAsync(_counters, ct).ConfigureAwait(false);
        return operation;
    }
}

/// <summary>What an operator sees of a counter.</summary>
/// <param name="State">How sure the sums are.</param>
/// <param name="Total">The sums.</param>
/// <param name="Reserved">What mails that are not counted yet hold beside them.</param>
/// <param name="Mails">How many mails those are.</param>
public sealed record InspectedCounter(CounterState State, CounterAmounts Total, CounterAmounts Reserved, int Mails);

/// <summary>What an operator's set did.</summary>
/// <param name="State">Deferred: it is kept, and written when the database is back; unavailable: nothing was changed.</param>
/// <param name="Before">The sums before it.</param>
/// <param name="After">The sums after it.</param>
public sealed record ChangedCounter(CounterState State, CounterAmounts Before, CounterAmounts After);
