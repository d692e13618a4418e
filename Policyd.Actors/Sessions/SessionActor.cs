using Akka.Actor;
using Policyd.Plugins.Sessions;

namespace Policyd.Actors.Sessions;

/// <summary>
/// The lock and the memory of one instance while it has work: its requests run one at a time, in the order of arrival.
/// When nothing waits it drops the session (the store has it) and tells the router, which may hand it another instance.
/// </summary>
internal sealed class SessionActor(RequestRunner runner) : UntypedActor
{
    private static readonly SessionProtocol.Handled One = new(1);
    private readonly Queue<PendingRequest> _waiting = new();
    private PendingRequest? _current;
    private int _handled;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case PendingRequest pending when _current is null:
                Run(pending, null);
                break;
            case PendingRequest pending:
                _waiting.Enqueue(pending);
                break;
            case SessionProtocol.Finished finished:
                Next(finished.Session);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Run(PendingRequest pending, Session? held)
    {
        _current = pending;
        var run = runner.RunAsync(pending, held);
        if (run.IsCompletedSuccessfully)
        {
            Next(run.Result);
        }
        else
        {
            var self = Self;
            _ = TellWhenFinishedAsync(run.AsTask(), self);
        }
    }

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

    private void Next(Session? session)
    {
        _current = null;
        _handled++;
        if (_waiting.TryDequeue(out var next))
        {
            Run(next, session);
            return;
        }

        Context.Parent.Tell(_handled == 1 ? One : new SessionProtocol.Handled(_handled));
        _handled = 0;
    }
}
