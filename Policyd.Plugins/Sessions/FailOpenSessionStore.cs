using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Chain;

namespace Policyd.Plugins.Sessions;

/// <summary>
/// Around a store that another server keeps: while that one is away, or says what is no session, a mail gets a new session instead of an
/// error. Each time is counted; the log has a line at most every ten seconds.
/// </summary>
internal sealed class FailOpenSessionStore(ISessionStore store, TimeProvider clock, ILogger logger) : ISessionStore
{
    private static readonly Meter s_meter = new("Policyd");
    private static readonly Counter<long> s_failures = s_meter.CreateCounter<long>("policyd.sessions.failed_open", "{session}", "Sessions that could not be loaded or stored.");
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private long? _lastLine;
    private long _unsaid;

    public async ValueTask<Session> LoadAsync(string instance, CancellationToken ct)
    {
        try
        {
            return await store.LoadAsync(instance, ct).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Failed("loaded", exception);
            return new Session();
        }
    }

    public async ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        try
        {
            await store.StoreAsync(instance, session, ct).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Failed("stored", exception);
        }
    }

    private void Failed(string what, Exception exception)
    {
        s_failures.Add(1);
        long unsaid;
        lock (_lock)
        {
            if (_lastLine is { } last && clock.GetElapsedTime(last) < s_interval)
            {
                _unsaid++;
                return;
            }

            (_lastLine, unsaid, _unsaid) = (clock.GetTimestamp(), _unsaid, 0);
        }

        ChainLog.Write(logger, LogLevel.Warning, string.Create(CultureInfo.InvariantCulture, $"session cache: a session was not {what}, its mail goes on without ({unsaid} more since the last line): {exception.Message}"));
    }
}
