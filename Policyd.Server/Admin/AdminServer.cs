using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Listeners;
using Policyd.Engine.Model;

namespace Policyd.Server.Admin;

/// <summary>
/// The admin endpoint of the running server. Bound before anything else starts, so that a wrong address is told at once, and closed before
/// anything stops. Where the configuration names none and the default cannot be had, the server does without and says so.
/// </summary>
internal sealed partial class AdminServer(AdminOptions options, AdminLimits limits, IEnumerable<IAdminCommand> commands, ILogger logger)
    : IHostedLifecycleService, IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Dictionary<string, IAdminCommand> _commands = commands.ToDictionary(command => command.Name, StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly DescriptorReserve _reserve = new();
    private PolicyListener? _listener;
    private int _connections;

    /// <exception cref="ListenException">The endpoint that the configuration names cannot be bound.</exception>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (options.Endpoint(Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY")) is not { } endpoint)
        {
            return;
        }

        try
        {
            _listener = await PolicyListener.BindAsync(endpoint, OwnerOnly, limits.MostConnections, cancellationToken);
        }
        catch (ListenException unbound) when (options.Listen is null)
        {
            Without(logger, unbound.Message);
            return;
        }

        Listening(logger, _listener.Bound.ToString());
        _ = AcceptAsync(_listener.Socket);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        _listener?.Dispose();
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        // Not disposed itself: what runs may still look at its token, and there is nothing in it to free.
        _stopping.Cancel();
        _listener?.Dispose();
        _reserve.Dispose();
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception ended) when (ended is ObjectDisposedException or OperationCanceledException
                || _stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException shortage) when (shortage.SocketErrorCode == SocketError.TooManyOpenSockets && _reserve.Release())
            {
                continue;
            }
            catch (SocketException failure)
            {
                // Out of descriptors for good, or the peer is gone already. Not to be tried again in a tight loop.
                NotAccepted(logger, failure.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            _ = ServeAsync(new AdminConnection(socket, _commands, limits, logger));
        }
    }

    private async Task ServeAsync(AdminConnection connection)
    {
        var open = Interlocked.Increment(ref _connections);
        try
        {
            await (open > limits.MostConnections ? connection.RefuseAsync(_stopping.Token) : connection.ServeAsync(_stopping.Token));
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
            _reserve.Fill();
        }
    }

    [LoggerMessage(EventId = 3, Level = LogLevel.Information, Message = "admin commands are accepted on {Endpoint}")]
    private static partial void Listening(ILogger logger, string endpoint);

    [LoggerMessage(
        EventId = 4,
        Level = LogLevel.Information,
        Message = "admin commands (policyd counter) are not accepted: {Reason}; set admin {{ listen }} to another endpoint, or to off")]
    private static partial void Without(ILogger logger, string reason);

    [LoggerMessage(EventId = 5, Level = LogLevel.Warning, Message = "admin: a connection could not be accepted: {Reason}")]
    private static partial void NotAccepted(ILogger logger, string reason);
}
