using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sources;
using Policyd.Protocol;

namespace Policyd.Modules;

/// <summary>
/// Asks another policy server and answers its action. One that is not there, or says nothing, is asked again after a pause; meanwhile the
/// plugin fails at once. One that closes the connection has only refused this request: who sends the mail must not be able to keep the
/// others' from being asked about.
/// </summary>
[Module("Proxy")]
[KeepsNothing]
[SideEffects("asks another policy server")]
public sealed class ProxyPlugin : Plugin, IAsyncDisposable
{
    // More idle connections than this to one server are closed: it may be one with a process for each.
    private const int MaxIdle = 32;

    private KeptConnections<PolicyClient>? _idle;
    private PolicyEndpoint? _endpoint;
    private BackOff _backOff = null!;

    /// <summary>Host and port.</summary>
    [Description("the other server as HOST:PORT")]
    public string? Host { get; set; }

    /// <summary>A socket's path.</summary>
    [Description("the other server's UNIX socket")]
    public string? SocketPath { get; set; }

    /// <summary>Whether connections are kept.</summary>
    [Description("on: keep connections open for further requests")]
    public bool Keepalive { get; set; }

    /// <summary>How long the other server may take.</summary>
    [Description("the timeout for the other server's answer; at most three quarters of the plugin's own time")]
    public TimeSpan Wait { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _idle = new KeptConnections<PolicyClient>(setup.Clock, MaxIdle);
        _backOff = new BackOff(setup.Clock);
        if (Wait <= TimeSpan.Zero)
        {
            setup.Error("wait", "must be more than 0");
        }

        if (Host is null == SocketPath is null)
        {
            setup.Error("host", "set exactly one of host and socket_path");
        }
        else if (!PolicyEndpoint.TryParse(SocketPath is null ? Host! : "unix:" + SocketPath, out _endpoint, out var error))
        {
            setup.Error(SocketPath is null ? "host" : "socket_path", SocketPath is { Length: 0 } ? "the path is empty" : error);
        }
        else if (!_endpoint.IsConnectable)
        {
            setup.Error("host", $"no server can be asked at {_endpoint}: set its host and its port");
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var hops = ProxyRequest.HopsOf(context.Request);
        if (hops >= ProxyRequest.MostHops)
        {
            throw new InvalidOperationException(
                $"the request has passed {ProxyRequest.MostHops} proxies; the servers may be asking each other in a loop");
        }

        if (context.IsRehearsal)
        {
            context.WouldHave($"asked {_endpoint}");
            return PluginResult.Continue;
        }

        using var attempt = _backOff.Enter();
        if (attempt.IsRefused)
        {
            throw new PolicyClientException($"{_endpoint} is unavailable");
        }

        var since = context.Clock.GetTimestamp();
        using var timeout = SourceTime.For(context, Wait);
        try
        {
            var action = await AskAsync(ProxyRequest.Next(context.Request, hops), attempt, timeout.Token).ConfigureAwait(false);
            attempt.Succeeded();

            // Postfix would send a tab or another control character of the text as a space. A text in another charset still rejects.
            return PluginResult.Answer(ActionTemplate.Safe(action));
        }
        catch (OperationCanceledException exception)
        {
            attempt.Failed();
            await _idle!.CloseAsync().ConfigureAwait(false);
            throw new PolicyClientException($"{_endpoint} gave no answer: {Waited.TimedOut(context.Clock, since)}", exception);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _idle?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async ValueTask<string> AskAsync(byte[] request, BackOff.Attempt attempt, CancellationToken ct)
    {
        while (Keepalive && await _idle!.TakeAsync().ConfigureAwait(false) is { } kept)
        {
            if (kept.IsUsable)
            {
                try
                {
                    return await AskAsync(kept, request, ct).ConfigureAwait(false);
                }
                catch (PolicyClientException)
                {
                    // The server closed it in this very moment. As Postfix does, ask again on another connection.
                    continue;
                }
            }

            await kept.DisposeAsync().ConfigureAwait(false);
        }

        return await AskAsync(await ConnectAsync(attempt, ct).ConfigureAwait(false), request, ct).ConfigureAwait(false);
    }

    private async ValueTask<PolicyClient> ConnectAsync(BackOff.Attempt attempt, CancellationToken ct)
    {
        try
        {
            return await PolicyClient.ConnectAsync(_endpoint!, ct).ConfigureAwait(false);
        }
        catch (PolicyClientException)
        {
            attempt.Failed();
            throw;
        }
    }

    private async ValueTask<string> AskAsync(PolicyClient client, byte[] request, CancellationToken ct)
    {
        var isWhole = false;
        try
        {
            var action = await client.AskAsync(request, ct).ConfigureAwait(false);
            isWhole = true;
            return action;
        }
        finally
        {
            if (isWhole && Keepalive)
            {
                await _idle!.KeepAsync(client).ConfigureAwait(false);
            }
            else
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
