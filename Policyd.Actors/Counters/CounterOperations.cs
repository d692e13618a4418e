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
            ? new InspectedCounter(inspect.Answer.State, inspect.Answer.Reason, inspect.Answer.Total, inspect.Reserved, inspect.Mails)
            : null;
    }

    /// <summary>
    /// The chosen sums of the window become these. Null when there was no answer before the token was cancelled: it may happen yet.
    /// </summary>
    public async ValueTask<ChangedCounter?> SetAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, CounterSums which, CancellationToken ct)
    {
        var set = await RunAsync(new SetSumsOperation(key, window, amounts, which), ct).ConfigureAwait(false);
        return set.IsAnswered ? new ChangedCounter(set.Answer.State, set.Answer.Reason, set.Before, set.Answer.Total) : null;
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

    /// <summary>What of this node waits for the database; null when the writer does not answer in time.</summary>
    public async Task<DeferredCounts?> DeferredAsync(string connection, TimeSpan timeout)
    {
        try
        {
            var deferred = await _node.Writer(connection)
                .Ask<CounterWriterProtocol.DeferredMails>(new CounterWriterProtocol.CountDeferred(), timeout)
                .ConfigureAwait(false);
            return new DeferredCounts(deferred.Mails, deferred.Spooled, deferred.Reason);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>The same for each connection; one whose writer does not answer in time is left out.</summary>
    public async Task<IReadOnlyList<(string Connection, DeferredCounts Counts)>> DeferredAsync(TimeSpan timeout)
    {
        var asked = _node.ConnectionNames.Select(async connection =>
            (Connection: connection, Counts: await DeferredAsync(connection, timeout).ConfigureAwait(false)));
        return
        [
            .. from one in await Task.WhenAll(asked).ConfigureAwait(false)
               where one.Counts is not null
               select (one.Connection, one.Counts),
        ];
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
/// <param name="Reason">Why they are not known.</param>
/// <param name="Total">The sums.</param>
/// <param name="Reserved">What mails that are not counted yet hold beside them.</param>
/// <param name="Mails">How many mails those are.</param>
public sealed record InspectedCounter(
    CounterState State, CounterReason Reason, CounterAmounts Total, CounterAmounts Reserved, int Mails);

/// <summary>What an operator's set did.</summary>
/// <param name="State">Deferred: it is kept, and written when the database is back; unavailable: nothing was changed.</param>
/// <param name="Reason">Why it is not made.</param>
/// <param name="Before">The sums before it.</param>
/// <param name="After">The sums after it.</param>
public sealed record ChangedCounter(CounterState State, CounterReason Reason, CounterAmounts Before, CounterAmounts After);

/// <summary>Mails of this node that were answered and are not in the database yet, since it is away or refuses their table.</summary>
/// <param name="Mails">How many.</param>
/// <param name="Spooled">How many of them are in the spool.</param>
/// <param name="Reason">What the database last said.</param>
public sealed record DeferredCounts(long Mails, long Spooled, string Reason);
