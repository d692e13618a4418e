namespace Policyd.Plugins.Expiring;

/// <summary>Greylisting's auto-whitelist: how often a client has passed with mail of a sender's domain.</summary>
internal interface IAutoWhitelist
{
    /// <summary>Whether the pair has passed often enough, lately enough.</summary>
    ValueTask<bool> HasPassedAsync(string domain, string client, int threshold, CancellationToken ct);

    /// <summary>The pair has passed once more.</summary>
    ValueTask CountAsync(string domain, string client, CancellationToken ct);

    /// <summary>Deletes the pairs whose time has run out, where they do not go by themselves.</summary>
    ValueTask PurgeAsync(CancellationToken ct);
}
