using Policyd.Plugins.Sessions;

namespace Policyd.Engine.Sessions;

/// <summary>The store of <c>session_cache { module = None }</c>: every request starts with an empty session.</summary>
public sealed class NoSessionStore : ISessionStore
{
    /// <inheritdoc/>
    public ValueTask<Session?> LoadAsync(string instance, CancellationToken ct) => default;

    /// <inheritdoc/>
    public ValueTask StoreAsync(string instance, Session session, CancellationToken ct) => ValueTask.CompletedTask;
}
