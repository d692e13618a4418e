namespace Policyd.Plugins.Sessions;

/// <summary>Where sessions rest between two requests of a mail. All calls may be made from any thread.</summary>
public interface ISessionStore
{
    /// <summary>The session of an instance, null when there is none. The caller has it for himself until he stores it.</summary>
    /// <param name="instance">The mail; the empty instance never has a stored session.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask<Session?> LoadAsync(string instance, CancellationToken ct);

    /// <summary>Stores a session for the configured time from now.</summary>
    /// <param name="instance">The mail; of the empty instance nothing is stored.</param>
    /// <param name="session">Its session; not to be changed afterwards but by whoever loads it again.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask StoreAsync(string instance, Session session, CancellationToken ct);
}
