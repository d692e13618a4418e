using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Plugins.Sessions;
using Policyd.Plugins.Sources;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Around a store that another server keeps: while that one is away, or says what is no session, a mail gets a new session instead of an
/// error. Each time is counted; the log has a line at most every ten seconds.
/// </summary>
internal sealed class FailOpenSessionStore(ISessionStore store, TimeProvider clock, ILogger logger) : ISessionStore
{
    private static readonly Counter<long> s_failures = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.sessions.failed_open", "{session}", "Sessions that could not be loaded or stored.");

    private readonly SourceLog _log = new("session cache", clock);

    public async ValueTask<Session?> LoadAsync(string instance, CancellationToken ct)
    {
        try
        {
            var session = await store.LoadAsync(instance, ct).ConfigureAwait(false);
            _log.Back(logger);
            return session;
        }
        catch (Exception exception)
        {
            Failed("loaded", exception);
            return null;
        }
    }

    public async ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        try
        {
            await store.StoreAsync(instance, session, ct).ConfigureAwait(false);
            _log.Back(logger);
        }
        catch (Exception exception)
        {
            Failed("stored", exception);
        }
    }

    private void Failed(string what, Exception exception)
    {
        s_failures.Add(1);
        _log.Away(logger, $"a session was not {what}; its mail goes on without it: {exception.Message}");
    }
}
