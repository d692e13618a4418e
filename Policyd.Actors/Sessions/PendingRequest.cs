using Policyd.Engine.Chain;
using Policyd.Engine.Decisions;
using Policyd.Modules;
using Policyd.Protocol;

namespace Policyd.Actors.Sessions;

/// <summary>
/// A request on its way: the message that a connection sends to the router, and its one-shot reply. Whoever completes it
/// first, the session or the connection at its deadline, is heard; the other is not. (An Ask would cost a temporary actor
/// and a scheduled time-out for each request.)
/// </summary>
internal sealed class PendingRequest(
    PolicyRequest request, VirtualHost virtualHost, long deadline, Action<PendingRequest> answered, DecisionRecorder? recorder = null)
{
    private int _completed;

    public PolicyRequest Request { get; } = request;

    public VirtualHost VirtualHost { get; } = virtualHost;

    /// <summary>
    /// What its session is known by. Empty outside a mail transaction: then the request shares no session with any other.
    /// </summary>
    public string Instance { get; } = ProxyRequest.SessionOf(request);

    /// <summary><see cref="Environment.TickCount64"/> past which nobody waits for the answer.</summary>
    public long Deadline { get; } = deadline;

    /// <summary>Set by the session actor before it completes the request.</summary>
    public ChainOutcome Outcome { get; private set; }

    /// <summary>What its way through the chain is recorded in; null when nobody listens.</summary>
    public DecisionRecorder? Recorder { get; } = recorder;

    public bool IsCompleted => Volatile.Read(ref _completed) != 0;

    public TimeSpan Remaining => TimeSpan.FromMilliseconds(Math.Max(1, Deadline - Environment.TickCount64));

    /// <summary>The session's side: hands the outcome to the connection, unless that has given up.</summary>
    public void Complete(ChainOutcome outcome)
    {
        if (Interlocked.CompareExchange(ref _completed, 1, 0) == 0)
        {
            Outcome = outcome;
            answered(this);
        }
    }

    /// <summary>The connection's side: false when the answer is already on its way.</summary>
    public bool TryAbandon() => Interlocked.CompareExchange(ref _completed, 1, 0) == 0;
}
