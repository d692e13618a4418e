using Akka.Actor;
using Policyd.Actors.Counters;

namespace Policyd.Tests.Counters;

/// <summary>A node without connections, for entries of owners that have no partition.</summary>
internal static class EmptyNode
{
    public static OwnerHome Home(CounterSettings? settings = null) => new(
        ActorRefs.Nobody,
        new CounterNode(
            new Dictionary<string, CounterConnection>(), settings ?? new CounterSettings(), TimeProvider.System, isClustered: false));
}
