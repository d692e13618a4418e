using Akka.Actor;
using Policyd.Actors.Dispatching;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>The counters as plugins see them: each operation goes to the owner of its key, wherever that is.</summary>
/// <param name="node">What the owners here share.</param>
internal sealed class OwnedCounters(CounterNode node) : ICounters
{
    public void Send(CounterPhase phase)
    {
        // Owners here run at the end of this: what is in memory is answered when it returns.
        using var turn = SenderTurn.Begin();
        List<CounterOperation>? elsewhere = null;
        foreach (var operation in phase)
        {
            operation.Key = node.Normalize(operation.Key);
            if (!node.TryTellHere(operation.Key, operation))
            {
                (elsewhere ??= []).Add(operation);
            }
        }

        if (elsewhere is not null)
        {
            node.Post.Tell(elsewhere, ActorRefs.NoSender);
        }
    }

    public bool KnowsFormerIds(string connection) => node.KnowsFormerIds(connection);

    public void Release(CounterKey key, MailId mail, CounterWindow? window = null)
    {
        using var turn = SenderTurn.Begin();
        var release = new CounterProtocol.Release(node.Normalize(key), mail, window);
        if (!node.TryTellHere(release.Key, release))
        {
            node.Post.Tell(release, ActorRefs.NoSender);
        }
    }
}
