using System.Diagnostics.CodeAnalysis;
using Policyd.Plugins.Api;
using Policyd.Plugins.Http;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin asks an HTTP server, in <see cref="Plugin.Initialize"/>.</summary>
public static class HttpServices
{
    // A server that moves to another address is found there after this time, also while its connections are busy.
    private static readonly TimeSpan s_connectionLife = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_idle = TimeSpan.FromMinutes(1);

    /// <summary>
    /// A client for one HTTP server, with bounds of its own: time, size and connections. A server that is away is not asked again by each
    /// mail; the log tells when it goes away and when it is back. Take one client for each server: they share what is known of it. It ends
    /// with the plugin.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that has the URL.</param>
    /// <param name="url">The server's URL, http or https. The paths of requests are relative to it; without a query, a slash at its end is
    /// added where there is none.</param>
    /// <param name="settings">The bounds; null: the defaults.</param>
    /// <returns>The client; null after an error at the option's place, with which the server does not start: it is no such URL.</returns>
    public static PluginHttp? Http(this PluginSetup setup, string option, string url, HttpSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(setup);
        settings ??= new HttpSettings();
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            // Not quoted: a key may stand in it.
            setup.Error(option, "this is not an http or https URL");
            return null;
        }

        if (address.UserInfo.Length > 0)
        {
            setup.Error(option, "a user name in the URL is not sent; use an option of its own for it");
            return null;
        }

        var client = Client(setup, settings);
        client.BaseAddress = address.Query.Length > 0 || address.AbsolutePath.EndsWith('/')
            ? address
            : new UriBuilder(address) { Path = address.AbsolutePath + "/" }.Uri;
        setup.Plugin.Own(client);
        return new PluginHttp(setup.Plugin, option, settings, client);
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The client, which the plugin owns, disposes its handlers.")]
    private static HttpClient Client(PluginSetup setup, HttpSettings settings)
    {
        var inner = setup.HttpHandler ?? Sockets(settings);
        var name = settings.Name ?? setup.Plugin.Name;
        var client = new HttpClient(
            new HttpSource(name, settings.Timeout, settings.MostBytes, setup.Clock, setup.Logger, inner))
        {
            // The source keeps both, and of the whole answer.
            Timeout = Timeout.InfiniteTimeSpan,
        };
        client.DefaultRequestHeaders.UserAgent.ParseAdd("policyd");
        return client;
    }

    private static SocketsHttpHandler Sockets(HttpSettings settings)
    {
        var sockets = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = System.Net.DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = settings.Timeout,
            PooledConnectionLifetime = s_connectionLife,
            PooledConnectionIdleTimeout = s_idle,
            MaxConnectionsPerServer = settings.MostConnections,
        };
        settings.Configure?.Invoke(sockets);
        return sockets;
    }
}
