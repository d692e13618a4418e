using System.Text.Json;
using Policyd.Plugins.Memcached;

namespace Policyd.Plugins.Sessions;

/// <summary>
/// Sessions in memcached, under <c>policyd-session:INSTANCE</c> as one JSON object, so that several servers share them. It throws when memcached is
/// away: <see cref="FailOpenSessionStore"/> goes around it.
/// </summary>
internal sealed class MemcachedSessionStore(MemcachedClient client, TimeSpan expire) : ISessionStore
{
    private const string Prefix = "policyd-session:";

    public async ValueTask<Session> LoadAsync(string instance, CancellationToken ct)
    {
        if (instance.Length == 0 || await client.GetAsync(Prefix + instance, ct).ConfigureAwait(false) is not { } json)
        {
            return new Session();
        }

        try
        {
            var session = Session.FromJson(json);
            session.IsStored = true;
            return session;
        }
        catch (JsonException exception)
        {
            throw new MemcachedException("what stands in memcached for a session is none", exception);
        }
    }

    public async ValueTask StoreAsync(string instance, Session session, CancellationToken ct)
    {
        // Most mails of a plain chain leave nothing behind: without a value, and with nothing there to replace, nothing is sent.
        if (instance.Length > 0 && (session.IsStored || session.Count > 0))
        {
            await client.SetAsync(Prefix + instance, session.ToJson(), expire, ct).ConfigureAwait(false);
            session.IsStored = true;
        }
    }
}
