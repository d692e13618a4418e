using System.Text.Json;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Sessions;

/// <summary>
/// Sessions in memcached or Redis, under <c>policyd-session:INSTANCE</c> as one JSON object, so that several servers share them. It throws
/// when the cache is away: <see cref="FailOpenSessionStore"/> goes around it.
/// </summary>
internal sealed class CacheSessionStore(IValueCache cache, TimeSpan expire) : ISessionStore
{
    private const string Prefix = "policyd-session:";

    public async ValueTask<Session?> LoadAsync(string instance, CancellationToken ct)
    {
        if (instance.Length == 0 || await cache.GetAsync(Prefix + instance, ct).ConfigureAwait(false) is not { } json)
        {
            return null;
        }

        try
        {
            var session = Session.FromJson(json);
            session.IsStored = true;
            return session;
        }
        catch (JsonException exception)
        {
            throw new CacheException("the cached value is not a session", exception);
        }
    }

    public async ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        // Most mails of a plain chain leave nothing behind: without a value, and with nothing there to replace, nothing is sent.
        if (instance.Length > 0 && (session.IsStored || session.Count > 0))
        {
            await cache.SetAsync(Prefix + instance, session.ToJson(), expire, ct).ConfigureAwait(false);
            session.IsStored = true;
        }
    }
}
