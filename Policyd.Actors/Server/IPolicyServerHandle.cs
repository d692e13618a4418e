using Policyd.Actors.Counters;
using Policyd.Actors.Cron;
using Policyd.Actors.Inspection;
using Policyd.Engine.Following;
using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Actors.Server;

/// <summary>The running server, for the host that started it.</summary>
public interface IPolicyServerHandle
{
    /// <summary>What it serves; a reload puts another model in its place.</summary>
    PolicyServerModel Model { get; }

    /// <summary>Completes when every listener is bound; fails with a <see cref="Listeners.ListenException"/> when one cannot be.</summary>
    Task Started { get; }

    /// <summary>The bound endpoints in the order of the configuration, with the real port where port 0 was asked for.</summary>
    IReadOnlyList<PolicyEndpoint> Endpoints { get; }

    /// <summary>Who is told of each request that is answered; listeners may come and go at any time, also before the start.</summary>
    DecisionListeners Decisions { get; }

    /// <summary>Open connections.</summary>
    int Connections { get; }

    /// <summary>Requests received since the start.</summary>
    long Requests { get; }

    /// <summary>Requests not answered yet.</summary>
    long RequestsInFlight { get; }

    /// <summary>Connections refused since the start, for <c>max_connections</c>.</summary>
    long ConnectionsRefused { get; }

    /// <summary>Malformed requests since the start.</summary>
    long MalformedRequests { get; }

    /// <summary>Requests since the start that had not arrived, or had no answer, in their time.</summary>
    long TimedOutRequests { get; }

    /// <summary>The keys of counters that have their owner in this process.</summary>
    int CounterOwners { get; }

    /// <summary>What other nodes of the cluster have asked of the counters here since the start: mail waits for it there.</summary>
    long CounterOperationsFromAfar { get; }

    /// <summary>
    /// What an operator does with the counters; null while the server starts, and when its configuration has no counter table.
    /// </summary>
    CounterOperations? Counters { get; }

    /// <summary>The periodic tasks; null while the server starts, and when its configuration turns them off.</summary>
    CronScheduler? Cron { get; }

    /// <summary>
    /// What an operator sees and does of the cluster; null while the server starts, and when it is alone.
    /// </summary>
    ClusterInspection? Inspection { get; }

    /// <summary>Why the server ends, or has ended, by itself; null while it runs and when its host stops it.</summary>
    string? UnexpectedEnd { get; }

    /// <summary>
    /// Whether it ends, or has ended, since it is no member of its cluster any more: then the next life of the process may be one.
    /// </summary>
    bool ComesBack { get; }

    /// <summary>True from the first call of <see cref="DrainAsync"/>.</summary>
    bool IsDraining { get; }

    /// <summary>
    /// Sends a request without plugins on the way of all requests, past the socket. Completes when it is answered: then the server works,
    /// whatever its databases do.
    /// </summary>
    /// <param name="timeout">How long the answer is waited for.</param>
    /// <exception cref="TimeoutException">There was none.</exception>
    Task ProbeAsync(TimeSpan timeout);

    /// <summary>
    /// Puts another model in the place of the present one, which was given as its <see cref="ModelEnvironment.Former"/>. No connection is
    /// closed but those of listeners that are gone, and requests that are under way end as they began. Nothing is changed when it fails.
    /// One call at a time.
    /// </summary>
    /// <param name="model">The model. What the server does not use of it, it ends itself; after a refusal the caller does.</param>
    /// <exception cref="ReloadException">It cannot be used without a restart; the message says why.</exception>
    /// <exception cref="ServerStopsException">It is not used, since the server stops.</exception>
    Task ReloadAsync(PolicyServerModel model);

    /// <summary>
    /// Unbinds, closes idle connections, answers what is in flight, and cuts off what is left after the grace time. Every call
    /// waits for the same drain; the first one's grace time counts.
    /// </summary>
    Task DrainAsync(TimeSpan grace);
}
