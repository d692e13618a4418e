using Microsoft.Extensions.Hosting;
using Policyd.Actors.Server;

namespace Policyd.Actors.Hosting;

/// <summary>
/// Binds before Akka starts: a port in use then is an exception with one clear line for the host, while Akka's hosted
/// service would print its stack trace itself.
/// </summary>
internal sealed class ListenerBinding(PolicyServer server) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => server.BindAsync();

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
