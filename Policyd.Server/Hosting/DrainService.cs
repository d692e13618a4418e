using Microsoft.Extensions.Hosting;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Hosting;

/// <summary>
/// Ties the server to the host's life: a start counts once every port is bound, and a stop first
/// answers what is in flight.
/// </summary>
internal sealed class DrainService(IPolicyServerHandle server, IHostApplicationLifetime life) : IHostedService
{
    /// <summary>How long requests in flight may take to end after SIGTERM.</summary>
    public static TimeSpan GraceOf(PolicyServerModel model) => model.Options.RequestTimeout + TimeSpan.FromSeconds(1);

    /// <exception cref="Policyd.Actors.Listeners.ListenException">A port cannot be bound.</exception>
    /// <exception cref="CommandException">The actor system ended before it came to that, for example for a wrong setting in <c>akka {
    /// }</c>.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(life.ApplicationStopping, cancellationToken);
            await server.Started.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested
            && server.Started is { IsFaulted: true, Exception: { } failure })
        {
            throw failure.InnerException ?? failure;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(ExitCode.Software, "the server stopped during its start; see its log");
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => server.DrainAsync(GraceOf(server.Model));
}
