using Akka.Actor;
using Policyd.Actors.Connections;
using Policyd.Actors.Sessions;
using Policyd.Engine.Chain;
using Policyd.Protocol;

namespace Policyd.Actors.Server;

/// <summary>A request of the server's own, without plugins: that it is answered shows that routers and sessions work.</summary>
internal static class Probe
{
    private static readonly PolicyRequest s_request =
        PolicyRequestReader.TryRead("request=smtpd_access_policy\n\n"u8.ToArray(), RequestLimits.Default, out var request, out _)
            ? request
            : throw new InvalidOperationException("the request of the probe is malformed");

    /// <summary>Completes when it is answered.</summary>
    /// <exception cref="TimeoutException">There was no answer.</exception>
    public static async Task SendAsync(ServerContext server, TimeSpan timeout)
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = new PendingRequest(
            s_request,
            new VirtualHost("probe", new PluginChain([]), server.Serving.Model.Chains),
            Environment.TickCount64 + (long)timeout.TotalMilliseconds,
            _ => answered.TrySetResult());
        server.RouterOf(request.Instance).Tell(request, ActorRefs.NoSender);
        await answered.Task.WaitAsync(timeout).ConfigureAwait(false);
    }
}
