using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Policyd.Actors.Dispatching;
using Policyd.Engine.Chain;
using Policyd.Plugins.Sessions;

namespace Policyd.Actors.Sessions;

/// <summary>
/// The lock and the memory of one instance while it has work: its requests run one at a time, in the order of arrival.
/// When nothing waits it drops the session (the store has it) and tells the router, which may hand it another instance.
/// </summary>
[SuppressMessage("Reliability", "CA2012", Justification = "The run is kept in place of a task, and its result is taken once.")]
internal sealed class SessionActor : UntypedActor
{
    private static readonly SessionProtocol.Handled s_one = new(1);
    private readonly RequestRunner _runner;
    private readonly Queue<PendingRequest> _waiting = new();
    private readonly Action _finish;
    private readonly IActorRef _self;
    private ValueTask<ChainOutcome> _run;
    private PendingRequest? _running;
    private int _handled;

    public SessionActor(RequestRunner runner)
    {
        _runner = runner;
        _finish = Finish;
        _self = Self;
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case PendingRequest pending when _running is null:
                Run(pending, null);
                break;
            case PendingRequest pending:
                _waiting.Enqueue(pending);
                break;
            case SessionProtocol.Finished finished:
                _handled++;
                Run(Next(), finished.Session);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <summary>Runs a request and those that wait after it, up to one that does not complete at once.</summary>
    private void Run(PendingRequest? pending, Session? held)
    {
        for (; pending is not null; pending = Next())
        {
            // Nobody waits for one whose deadline passed while it stood in the queue.
            if (!pending.IsCompleted)
            {
                _running = pending;
                _run = _runner.RunAsync(pending, held);
                if (!_run.IsCompleted)
                {
                    _run.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_finish);
                    return;
                }

                held = Complete();
            }

            _handled++;
        }

        _running = null;
        Context.Parent.Tell(_handled == 1 ? s_one : new SessionProtocol.Handled(_handled));
        _handled = 0;
    }

    /// <summary>
    /// The request that did not complete at once has. On a thread of the pool its answer, the next request and the word to the router
    /// follow on that thread. Any other thread belongs to whoever has completed the request, and must not be kept.
    /// </summary>
    private void Finish()
    {
        using var turn = Thread.CurrentThread.IsThreadPoolThread ? RunNext.Begin() : default;
        _self.Tell(new SessionProtocol.Finished(Complete()), ActorRefs.NoSender);
    }

    /// <summary>Hands the outcome over. Returns the session of the next request of the instance; null when it is to be loaded.</summary>
    private Session? Complete()
    {
        try
        {
            var (pending, outcome) = (_running!, _run.GetAwaiter().GetResult());
            pending.Complete(outcome);
            return pending.Instance.Length > 0 ? outcome.Session : null;
        }
        catch (Exception)
        {
            return null;   // the request is answered at its deadline
        }
    }

    private PendingRequest? Next() => _waiting.TryDequeue(out var next) ? next : null;
}
