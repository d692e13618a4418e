using System.Collections.Concurrent;
using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Protocol;

namespace Policyd.Plugins.Modules;

/// <summary>Asks another policy server and answers its action.</summary>
[Module("Proxy")]
public sealed class ProxyPlugin : Plugin
{
    // More idle connections than this to one server are closed: it may be one with a process for each.
    private const int MaxIdle = 32;

    private readonly ConcurrentBag<PolicyClient> _idle = [];
    private PolicyEndpoint? _endpoint;

    /// <summary>Host and port.</summary>
    [Description("the other server as HOST:PORT")]
    public string? Host { get; set; }

    /// <summary>A socket's path.</summary>
    [Description("the other server's UNIX socket")]
    public string? SocketPath { get; set; }

    /// <summary>Whether connections are kept.</summary>
    [Description("keep connections open for further requests")]
    public bool Keepalive { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Host is null == SocketPath is null)
        {
            setup.Error("host", "exactly one of host and socket_path must be given");
        }
        else if (SocketPath is not null)
        {
            _endpoint = PolicyEndpoint.Unix(SocketPath);
        }
        else if (!PolicyEndpoint.TryParse(Host!, out _endpoint, out var error))
        {
            setup.Error("host", error!);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var request = Frame(context.Request.Bytes.Span);
        var ct = context.Cancellation;
        while (Keepalive && _idle.TryTake(out var kept))
        {
            if (kept.IsUsable)
            {
                try
                {
                    return PluginResult.Answer(await AskAsync(kept, request, ct).ConfigureAwait(false));
                }
                catch (PolicyClientException)
                {
                    // The server closed it in this very moment. As Postfix does, ask again on another connection.
                    continue;
                }
            }

            await kept.DisposeAsync().ConfigureAwait(false);
        }

        var client = await PolicyClient.ConnectAsync(_endpoint!, ct).ConfigureAwait(false);
        return PluginResult.Answer(await AskAsync(client, request, ct).ConfigureAwait(false));
    }

    // A request ends with the line end of its last attribute and an empty line, however much of that the reader has kept.
    private static byte[] Frame(ReadOnlySpan<byte> request) => [.. request.TrimEnd("\r\n"u8), .. "\n\n"u8];

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
            if (isWhole && Keepalive && _idle.Count < MaxIdle)
            {
                _idle.Add(client);
            }
            else
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
