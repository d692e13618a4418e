using Akka.Actor;
using Policyd.Counting.Ledger;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// The counters as plugins see them: each call goes to the owner of the key, wherever that is, and ends when its caller's timeout does.
/// </summary>
/// <param name="system">The actor system.</param>
/// <param name="owners">Knows the way to each owner, and starts the one that is not there: the parent of them all, or the shard
/// region.</param>
/// <param name="node">What the owners here share.</param>
internal sealed class OwnedCounters(ActorSystem system, IActorRef owners, CounterNode node) : ICounters
{
    private readonly IActorRefProvider _provider = ((ExtendedActorSystem)system).Provider;
    private readonly ActorPath _replies = ((ExtendedActorSystem)system).Provider.TempPath();

    public ValueTask<CounterReading> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        AskAsync(
            new CounterProtocol.Read(node.Normalize(key), window), new ReadingReply(_replies, _provider, CounterState.Unavailable), ct);

    public ValueTask<Admission> ReserveAsync(
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        string instance,
        CancellationToken ct) =>
        AskAsync(
            new CounterProtocol.Reserve(node.Normalize(key), window, metric, threshold, amounts, instance),
            new AdmissionReply(_replies, _provider),
            ct);

    // Nobody's answer is not nobody's work: the owner has the add and will commit it.
    public ValueTask<CounterReading> AddAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, string instance, UInt128? requestId, CancellationToken ct) =>
        AskAsync(
            new CounterProtocol.Add(node.Normalize(key), window, amounts, instance, requestId),
            new ReadingReply(_replies, _provider, CounterState.Deferred),
            ct);

    public async ValueTask<bool> IsCountedAsync(CounterKey key, IReadOnlyList<UInt128> requestIds, CancellationToken ct) =>
        await AskAsync(new CounterProtocol.FindCounted(node.Normalize(key), requestIds), ct).ConfigureAwait(
            false) is CounterProtocol.Counted { Yes: true };

    /// <summary>What an operator sees of a counter; null when its owner did not answer in time.</summary>
    public async ValueTask<CounterProtocol.Inspected?> InspectAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        await AskAsync(new CounterProtocol.Inspect(node.Normalize(key), window), ct).ConfigureAwait(false) as CounterProtocol.Inspected;

    /// <summary>
    /// An operator's word: the chosen sums of the window become these. Null when there was no answer in time: it may happen yet.
    /// </summary>
    public async ValueTask<CounterProtocol.Changed?> SetAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, CounterSums which, CancellationToken ct) =>
        await AskAsync(new CounterProtocol.SetSums(node.Normalize(key), window, amounts, which), ct).ConfigureAwait(
            false) as CounterProtocol.Changed;

    public void Release(CounterKey key, string instance)
    {
        var release = new CounterProtocol.Release(node.Normalize(key), instance);
        if (!node.Owners.TryTell(release.Key, release, ActorRefs.NoSender))
        {
            owners.Tell(release, ActorRefs.NoSender);
        }
    }

    private ValueTask<ICounterMessage?> AskAsync(IForCounter message, CancellationToken ct) =>
        AskAsync(message, new MessageReply(_replies, _provider), ct);

    private ValueTask<T> AskAsync<T>(IForCounter message, OwnerReply<T> reply, CancellationToken ct)
    {
        if (node.Owners.TryTell(message.Key, message, reply))
        {
            return reply.Until(ct);
        }

        if (node.MayBeElsewhere())
        {
            return AskElsewhereAsync(message, reply, ct);
        }

        // No other node: the owner that is started now is here as well, and its answer needs no way over the network.
        owners.Tell(message, reply);
        return reply.Until(ct);
    }

    private async ValueTask<T> AskElsewhereAsync<T>(IForCounter message, OwnerReply<T> reply, CancellationToken ct)
    {
        try
        {
            return reply.Read(await owners.Ask<ICounterMessage>(message, node.Settings.AskTimeout, ct).ConfigureAwait(false));
        }
        catch (Exception exception) when (exception is AskTimeoutException or OperationCanceledException)
        {
            return reply.Read(null);
        }
    }
}
