namespace Policyd.Plugins.Services;

/// <summary>
/// The bounds of a plugin's HTTP client (<see cref="HttpServices.Http"/>). The defaults are right for a service that answers a short text
/// or JSON.
/// </summary>
public sealed record HttpSettings
{
    /// <summary>What metrics and the log call the server; null: the plugin's name. Never a part of a request.</summary>
    public string? Name { get; init; }

    /// <summary>How long a request may take, from its begin to the last byte of its answer. The plugin's <c>timeout</c>, when it has one,
    /// and three quarters of its time hold as well.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The largest answer in bytes, as it comes.</summary>
    public int MostBytes { get; init; } = 64 * 1024;

    /// <summary>How many connections there are at the same time. Further requests wait for one within their time.</summary>
    public int MostConnections { get; init; } = 16;

    /// <summary>
    /// Has the last word on how the client connects: its certificate, a proxy, redirects. Without it no proxy is asked, no redirect
    /// followed, no cookie kept and nothing decompressed.
    /// </summary>
    public Action<SocketsHttpHandler>? Configure { get; init; }
}
