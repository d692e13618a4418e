namespace Policyd.Plugins.Expiring;

/// <summary>
/// Greylisting's auto-whitelist: how often a client has passed with mail of a sender's domain. Its calls throw as those of
/// <see cref="IExpiringStore"/> do.
/// </summary>
public interface IAutoWhitelist
{
    /// <summary>Whether the pair has passed often enough, lately enough.</summary>
    /// <param name="domain">The sender's domain, as <see cref="Idna.DomainText.Key"/> gives it.</param>
    /// <param name="client">The client's address, or its network.</param>
    /// <param name="threshold">How often is enough.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct);

    /// <summary>The pair has passed once more.</summary>
    /// <param name="domain">The sender's domain.</param>
    /// <param name="client">The client's address, or its network.</param>
    /// <param name="ct">The request's deadline.</param>
    ValueTask CountAsync(string domain, string client, CancellationToken ct);

    /// <summary>Deletes the pairs whose time has run out, where they do not go by themselves.</summary>
    /// <param name="ct">The end of the server.</param>
    ValueTask PurgeAsync(CancellationToken ct);
}
