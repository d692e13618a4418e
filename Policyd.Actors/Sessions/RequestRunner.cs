using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Dispatching;
using Policyd.Engine.Chain;
using Policyd.Plugins.Logging;
using Policyd.Plugins.Sessions;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Sessions;

/// <summary>
/// One request from the session store to its outcome, apart from any actor. Completes synchronously, without allocating,
/// when store and plugins do. A store that fails or is late costs the mail its session, not its answer.
/// </summary>
internal sealed class RequestRunner(ISessionStore store, ILogger logger)
{
    private volatile ISessionStore _store = store;
    private readonly LogThrottle _storeFailures = new(TimeProvider.System);

    /// <summary>Where sessions rest from now on.</summary>
    public void Use(ISessionStore store) => _store = store;

    /// <summary>Runs the request.</summary>
    /// <param name="pending">The request.</param>
    /// <param name="held">The instance's session when the actor still has it; else it is loaded.</param>
    /// <returns>The outcome, with the session for the next request of the same instance.</returns>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public async ValueTask<ChainOutcome> RunAsync(PendingRequest pending, Session? held)
    {
        var stored = pending.Instance.Length > 0;
        var session = held ?? (stored ? await LoadAsync(pending).ConfigureAwait(false) : null) ?? new Session();
        ChainOutcome outcome;
        try
        {
            outcome = await RunChain(pending, session).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            SessionLog.RequestFailed(logger, pending.VirtualHost.Name, LogValue.Quote(pending.Instance), e);
            outcome = new ChainOutcome(null, null, e.Message, session);
        }

        if (stored)
        {
            await StoreAsync(pending, outcome.Session).ConfigureAwait(false);
        }

        return outcome;
    }

    // Plugins may block the thread: nothing waits for it meanwhile.
    private static ValueTask<ChainOutcome> RunChain(PendingRequest pending, Session session)
    {
        var closed = RunNext.Close();
        try
        {
            return pending.VirtualHost.RunAsync(pending.Request, session, pending.Remaining, pending.Recorder);
        }
        finally
        {
            RunNext.Open(closed);
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<Session?> LoadAsync(PendingRequest pending)
    {
        try
        {
            var load = _store.LoadAsync(pending.Instance, CancellationToken.None);
            return load.IsCompletedSuccessfully
                ? load.Result

                // The other half of the time is the plugins'.
                : await load.AsTask().WaitAsync(pending.Remaining / 2).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Failed("load", e);
            return null;
        }
    }

    private async ValueTask StoreAsync(PendingRequest pending, Session session)
    {
        try
        {
            var write = _store.StoreAsync(pending.Instance, session, CancellationToken.None);
            if (write.IsCompletedSuccessfully)
            {
                write.GetAwaiter().GetResult();
            }
            else
            {
                await write.AsTask().WaitAsync(pending.Remaining).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Failed("store", e);
        }
    }

    private void Failed(string operation, Exception e)
    {
        if (_storeFailures.Enter(out var suppressed))
        {
            SessionLog.StoreFailed(logger, operation, suppressed, e);
        }
    }
}
