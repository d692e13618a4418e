using Akka.Actor;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>The counters as plugins see them: each call goes to the owner of the key, wherever that is, and ends when its caller's patience does.</summary>
internal sealed class ShardedCounters(ActorSystem system, IActorRef region, CounterNode node) : ICounters
{
    private readonly IActorRefProvider _provider = ((ExtendedActorSystem)system).Provider;
    private readonly ActorPath _replies = ((ExtendedActorSystem)system).Provider.TempPath();

    public async ValueTask<CounterReading> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        (await AskAsync<CounterProtocol.Reading>(new CounterProtocol.Read(node.Normalize(key), window), ct).ConfigureAwait(false))?.Value
        ?? new CounterReading(CounterState.Unavailable, default);

    public async ValueTask<Admission> ReserveAsync(
        CounterKey key, CounterWindow window, CounterMetric metric, double threshold, CounterAmounts amounts, string instance, CancellationToken ct)
    {
        var reserve = new CounterProtocol.Reserve(node.Normalize(key), window, metric, threshold, amounts, instance);
        return (await AskAsync<CounterProtocol.Admitted>(reserve, ct).ConfigureAwait(false))?.Value
            ?? new Admission(CounterState.Unavailable, Admitted: true, default);
    }

    public async ValueTask<CounterReading> AddAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, string instance, UInt128? requestId, CancellationToken ct)
    {
        // Nobody's answer is not nobody's work: the owner has the add and will commit it.
        var add = new CounterProtocol.Add(node.Normalize(key), window, amounts, instance, requestId);
        return (await AskAsync<CounterProtocol.Reading>(add, ct).ConfigureAwait(false))?.Value
            ?? new CounterReading(CounterState.Deferred, default);
    }

    /// <summary>An operator's word: the window's row becomes this.</summary>
    public async ValueTask<CounterReading> SetAsync(CounterKey key, CounterWindow window, CounterAmounts amounts, CancellationToken ct) =>
        (await AskAsync<CounterProtocol.Reading>(new CounterProtocol.SetTotal(node.Normalize(key), window, amounts), ct).ConfigureAwait(false))?.Value
        ?? new CounterReading(CounterState.Unavailable, default);

    public void Release(CounterKey key, string instance)
    {
        var release = new CounterProtocol.Release(node.Normalize(key), instance);
        if (!node.Owners.TryTell(release.Key, release, ActorRefs.NoSender))
        {
            region.Tell(release, ActorRefs.NoSender);
        }
    }

    private async ValueTask<T?> AskAsync<T>(IForCounter message, CancellationToken ct)
        where T : class
    {
        var reply = new OwnerReply(_replies, _provider);
        if (node.Owners.TryTell(message.Key, message, reply))
        {
            return await reply.WaitAsync(ct).ConfigureAwait(false) as T;
        }

        try
        {
            return await region.Ask<T>(message, node.Settings.AskTimeout, ct).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is AskTimeoutException or OperationCanceledException)
        {
            return null;
        }
    }
}
