using System.Globalization;
using System.Net;
using System.Text.Json;
using Policyd.Plugins.Api;
using Policyd.Plugins.Http;
using Policyd.Plugins.Sources;

namespace Policyd.Plugins.Services;

/// <summary>
/// A plugin's client for one HTTP server, made by <see cref="HttpServices.Http"/>. A call ends after the plugin's <c>timeout</c>, else
/// after <see cref="HttpSettings.Timeout"/>, and never later than at three quarters of the plugin's time, so that the plugin can
/// still answer. While the server is known to be away, calls fail at once: so it is when it cannot be reached, did not answer in
/// time, or answered 429, 502, 503 or 504.
/// <para>
/// Every call throws an <see cref="HttpAwayException"/> when the server is away, and another <see cref="HttpRequestException"/> when it
/// answers with an error or with too much. A plugin that does not catch them has failed, and its <c>on_error</c> decides. A request that
/// changes something at the server is a side effect, which a rehearsal leaves out.
/// </para>
/// </summary>
public sealed class PluginHttp
{
    // A cron task has no mail that waits for it.
    private static readonly TimeSpan s_cronTimeout = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan s_hearing = TimeSpan.FromMilliseconds(50);

    private readonly Plugin _plugin;
    private readonly string _option;
    private readonly HttpSettings _settings;

    internal PluginHttp(Plugin plugin, string option, HttpSettings settings, HttpClient client) =>
        (_plugin, _option, _settings, Client) = (plugin, option, settings, client);

    /// <summary>What metrics and the log call the server.</summary>
    public string Name => _settings.Name ?? _plugin.Name;

    /// <summary>
    /// The client itself, for headers that each request has (<see cref="HttpClient.DefaultRequestHeaders"/>) and for libraries that take
    /// one: with the same bounds, except that of the plugin's time. Hand over <see cref="PluginContext.Cancellation"/>.
    /// </summary>
    public HttpClient Client { get; }

    /// <summary>Asks for a text.</summary>
    /// <param name="context">The request.</param>
    /// <param name="path">What is asked for, relative to the URL. Escape what comes from a mail with
    /// <see cref="Uri.EscapeDataString(string)"/>.</param>
    /// <returns>The text; null when the server does not know it: it answers 404.</returns>
    /// <exception cref="ArgumentException">The path leads to another server, or with <c>..</c> out of the URL's folder.</exception>
    /// <exception cref="HttpAwayException">The server is away.</exception>
    /// <exception cref="HttpRequestException">It answers with an error, or with too much.</exception>
    public ValueTask<string?> GetStringAsync(PluginContext context, string path) =>
        GetAsync(context, path, static (content, ct) => content.ReadAsStringAsync(ct)!);

    /// <summary>Asks for JSON.</summary>
    /// <typeparam name="T">What to read it as, with the names of the web: in any case, numbers also as text.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="path">What is asked for, relative to the URL. Escape what comes from a mail with
    /// <see cref="Uri.EscapeDataString(string)"/>.</param>
    /// <returns>The value; the default of <typeparamref name="T"/> when the server does not know it: it answers 404.</returns>
    /// <exception cref="ArgumentException">The path leads to another server, or with <c>..</c> out of the URL's folder.</exception>
    /// <exception cref="HttpAwayException">The server is away.</exception>
    /// <exception cref="HttpRequestException">It answers with an error, or with too much.</exception>
    /// <exception cref="JsonException">The answer does not fit.</exception>
    public ValueTask<T?> GetJsonAsync<T>(PluginContext context, string path) => GetAsync(
        context,
        path,
        static async (content, ct) =>
            JsonSerializer.Deserialize<T>(await content.ReadAsByteArrayAsync(ct).ConfigureAwait(false), JsonSerializerOptions.Web));

    /// <summary>Asks anything, within the plugin's time.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="ask">Asks with the client, and hands its token over.</param>
    /// <exception cref="HttpAwayException">The server is away.</exception>
    /// <exception cref="HttpRequestException">It answers with too much.</exception>
    public async ValueTask<T> RunAsync<T>(PluginContext context, Func<HttpClient, CancellationToken, Task<T>> ask)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(ask);
        using var timeout = SourceTime.For(context, _plugin.Timeout > TimeSpan.Zero ? _plugin.Timeout : _settings.Timeout);
        return await RunAsync(ask, context.Clock, timeout.Token).ConfigureAwait(false);
    }

    /// <summary>The same in a cron task: the wait ends after a minute, each request after its own time.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="cron">The tick.</param>
    /// <param name="ask">Asks with the client, and hands its token over.</param>
    /// <exception cref="HttpAwayException">The server is away.</exception>
    /// <exception cref="HttpRequestException">It answers with too much.</exception>
    public async ValueTask<T> RunAsync<T>(CronContext cron, Func<HttpClient, CancellationToken, Task<T>> ask)
    {
        ArgumentNullException.ThrowIfNull(cron);
        ArgumentNullException.ThrowIfNull(ask);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cron.Cancellation);
        timeout.CancelAfter(s_cronTimeout);
        return await RunAsync(ask, cron.Clock, timeout.Token).ConfigureAwait(false);
    }

    private async ValueTask<T?> GetAsync<T>(PluginContext context, string path, Func<HttpContent, CancellationToken, Task<T?>> read)
    {
        ArgumentNullException.ThrowIfNull(path);
        var target = TargetOf(path);
        var (status, value) = await RunAsync(context, async (client, ct) =>
        {
            using var response = await client.GetAsync(target, ct).ConfigureAwait(false);
            return response.StatusCode == HttpStatusCode.NotFound ? (response.StatusCode, default(T))
                : response.IsSuccessStatusCode ? (response.StatusCode, await read(response.Content, ct).ConfigureAwait(false))
                : throw Refused(response.StatusCode);
        }).ConfigureAwait(false);
        if (context.TakesNotes)
        {
            // Not the path: a key may stand in it.
            context.Note(_option, Name, string.Create(CultureInfo.InvariantCulture, $"answered {(int)status}"));
        }

        return value;
    }

    // What a stranger wrote may stand in the path: "//host/" and "http://host/" would lead to a server of his choice, with all headers of
    // this one, and "..", which nothing escapes, to another service of it.
    private Uri TargetOf(string path)
    {
        var url = Client.BaseAddress!;
        var folder = url.AbsolutePath[..(url.AbsolutePath.LastIndexOf('/') + 1)];
        return Uri.TryCreate(url, path, out var target)
            && (target.Scheme, target.Host, target.Port) == (url.Scheme, url.Host, url.Port)
            && (path.StartsWith('/') || target.AbsolutePath.StartsWith(folder, StringComparison.Ordinal))
            ? target
            : throw new ArgumentException($"the path leads away from the URL of {_option}", nameof(path));
    }

    private HttpRequestException Refused(HttpStatusCode status)
    {
        var message = string.Create(CultureInfo.InvariantCulture, $"{Name}: answered {(int)status}");
        return HttpSource.IsAway(status) ? new HttpAwayException(message) : new HttpRequestException(message, null, status);
    }

    private async Task<T> RunAsync<T>(Func<HttpClient, CancellationToken, Task<T>> ask, TimeProvider clock, CancellationToken time)
    {
        var since = clock.GetTimestamp();
        var asking = ask(Client, time);
        try
        {
            return await asking.WaitAsync(time).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (time.IsCancellationRequested)
        {
            // The client hears of it at the same moment, and then knows that its server is away: before the next mail asks.
            await Task.WhenAny(asking, Task.Delay(s_hearing, CancellationToken.None)).ConfigureAwait(false);
            asking.Abandon();
            throw new HttpAwayException($"{Name}: {Waited.TimedOut(clock, since)}", e);
        }
    }
}
