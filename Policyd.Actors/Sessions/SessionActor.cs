using Akka.Actor;
using Policyd.Plugins.Sessions;

namespace Policyd.Actors.Sessions;

/// <summary>
/// The lock and the memory of one instance while it has work: its requests run one at a time, in the order of arrival.
/// When nothing waits it drops the session (the store has it) and tells the router, which may hand it another instance.
/// </summary>
internal sealed class SessionActor(RequestRunner runner) : UntypedActor
{
    private static readonly SessionProtocol.Handled s_one = new(1);
    private readonly Queue<PendingRequest> _waiting = new();
    private bool _isRunning;
    private int _handled;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case PendingRequest pending when !_isRunning:
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
        while (pending is not null)
        {
            _isRunning = true;
            var run = runner.RunAsync(pending, held);
            if (!run.IsCompletedSuccessfully)
            {
                _ = TellWhenFinishedAsync(run.AsTask(), Self);
                return;
            }

            held = run.Result;
            _handled++;
            pending = Next();
        }

        _isRunning = false;
        Context.Parent.Tell(_handled == 1 ? s_one : new SessionProtocol.Handled(_handled));
        _handled = 0;
    }

    private PendingRequest? Next() => _waiting.TryDequeue(out var next) ? next : null;

    private static async Task TellWhenFinishedAsync(Task<Session?> run, IActorRef self)
    {
        try
        {
            self.Tell(new SessionProtocol.Finished(await run.ConfigureAwait(false)), ActorRefs.NoSender);
        }
        catch (Exception)
        {
            self.Tell(new SessionProtocol.Finished(null), ActorRefs.NoSender);
        }
    }
}
