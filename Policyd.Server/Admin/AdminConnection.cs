using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Sources;

namespace Policyd.Server.Admin;

/// <summary>How much the endpoint takes.</summary>
internal sealed record AdminLimits
{
    public int MostConnections { get; init; } = 16;

    /// <summary>A request's longest line, in bytes.</summary>
    public int LongestRequest { get; init; } = 64 * 1024;

    /// <summary>How long a request may take to arrive, and an answer to be taken.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// One operator's connection. A request whose line is none is answered and ends it: after that nobody knows where the next one begins, and
/// a program that speaks another protocol (a browser that was led to the port) never gets a second line read.
/// </summary>
internal sealed partial class AdminConnection(
    Socket socket, IReadOnlyDictionary<string, IAdminCommand> commands, AdminLimits limits, ILogger logger)
{
    // For a command to tell, once its time is over, what it was waiting for.
    private static readonly TimeSpan s_lastWord = TimeSpan.FromSeconds(1);

    private readonly AdminCaller _caller = PeerCredentials.CallerOf(socket);
    private IAdminCommand? _done;
    private IAsyncEnumerable<JsonNode>? _followed;

    public async Task ServeAsync(CancellationToken ct)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var reader = new LineReader(stream, limits.LongestRequest);
            while (await ServeOneAsync(reader, stream, ct))
            {
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
        {
            Gone(logger, _caller.Text, gone.Message);
        }
    }

    /// <summary>The endpoint has as many connections as it takes.</summary>
    public async Task RefuseAsync(CancellationToken ct)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            await WriteAsync(
                stream,
                AdminMessage.Error(AdminError.Busy, $"there are already {limits.MostConnections} connections; try again in a moment"),
                ct);
            await CloseAsync(stream, ct);
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
        {
            Gone(logger, _caller.Text, gone.Message);
        }
    }

    private async Task<bool> ServeOneAsync(LineReader reader, NetworkStream stream, CancellationToken ct)
    {
        var (status, line) = await ReadAsync(reader, ct);
        ReadOnlyMemory<byte> answer;
        var goesOn = false;
        switch (status)
        {
            case LineStatus.Line:
                (answer, goesOn) = await AnswerAsync(line, ct);
                break;
            case LineStatus.End:
                return false;
            case LineStatus.Cut:
                answer = AdminMessage.Error(AdminError.BadRequest, "the request ended without a line feed");
                break;
            case LineStatus.TooLong:
                answer = AdminMessage.Error(AdminError.BadRequest, $"a request must be one line of at most {limits.LongestRequest} bytes");
                break;
            default:
                answer = AdminMessage.Error(AdminError.TimedOut, $"no complete request arrived within {limits.Timeout.TotalSeconds:0} s");
                break;
        }

        try
        {
            await WriteAsync(stream, answer, ct);
        }
        finally
        {
            (var done, _done) = (_done, null);
            done?.OnAnswered();
        }

        if (goesOn && _followed is { } lines)
        {
            await FollowAsync(lines, reader, stream, ct);
            return false;
        }

        if (!goesOn)
        {
            await CloseAsync(stream, ct);
        }

        return goesOn;
    }

    /// <summary>
    /// Writes what follows the answer, until its asker closes, or says anything more. One that does not read is waited for: what is told
    /// loses records meanwhile.
    /// </summary>
    private static async Task FollowAsync(IAsyncEnumerable<JsonNode> lines, LineReader reader, NetworkStream stream, CancellationToken ct)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var closing = EndsAsync(reader, ending);
        try
        {
            await foreach (var line in lines.WithCancellation(ending.Token))
            {
                await stream.WriteAsync(AdminMessage.Result(line), ending.Token);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // It has closed.
        }
        finally
        {
            await ending.CancelAsync();
            await closing;
        }
    }

    private static async Task EndsAsync(LineReader reader, CancellationTokenSource ending)
    {
        try
        {
            await reader.ReadAsync(ending.Token);
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
        {
            // As good as closed.
        }

        await ending.CancelAsync();
    }

    private async Task<(LineStatus? Status, ReadOnlyMemory<byte> Line)> ReadAsync(LineReader reader, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(limits.Timeout);
        try
        {
            return await reader.ReadAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return (null, default);
        }
    }

    private async Task<(ReadOnlyMemory<byte> Answer, bool GoesOn)> AnswerAsync(ReadOnlyMemory<byte> line, CancellationToken ct)
    {
        JsonDocument request;
        try
        {
            request = AdminMessage.Read(line);
        }
        catch (JsonException)
        {
            return (AdminMessage.Error(
                AdminError.BadRequest, "a request must be one JSON object on one line: {\"command\":\"…\",\"arguments\":{…}}"), false);
        }

        using (request)
        {
            return (await AnswerAsync(request.RootElement, ct), true);
        }
    }

    private async Task<ReadOnlyMemory<byte>> AnswerAsync(JsonElement request, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var since = TimeProvider.System.GetTimestamp();
        try
        {
            var command = Find(request);
            var given = request.TryGetProperty("arguments", out var element) ? element : default;
            var arguments = given.ValueKind is JsonValueKind.Object or JsonValueKind.Undefined
                ? new AdminArguments(given)
                : throw new AdminException(AdminError.BadRequest, "arguments must be an object");
            arguments.AllowOnly(command.Arguments);
            timeout.CancelAfter(command.Timeout);
            var result = await command.RunAsync(arguments, _caller, timeout.Token).WaitAsync(command.Timeout + s_lastWord, ct);
            _followed = command.Follow(arguments);
            _done = command;
            return AdminMessage.Result(result);
        }
        catch (AdminException refused)
        {
            return AdminMessage.Error(refused.Code, refused.Message);
        }
        catch (Exception late) when (late is OperationCanceledException or TimeoutException)
        {
            return AdminMessage.Error(AdminError.Unavailable, ct.IsCancellationRequested
                ? "the server is stopping"
                : $"the server {Waited.TimedOut(TimeProvider.System, since)}; its log may say why");
        }
        catch (Exception defect) when (defect is not OutOfMemoryException)
        {
            Failed(logger, defect);
            return AdminMessage.Error(AdminError.Internal, $"internal error of the server: {defect.GetType().Name}; see its log");
        }
    }

    private IAdminCommand Find(JsonElement request)
    {
        if (!request.TryGetProperty("command", out var name) || name.ValueKind != JsonValueKind.String)
        {
            throw new AdminException(AdminError.BadRequest, "a request needs a \"command\"");
        }

        return commands.TryGetValue(name.GetString()!, out var command) ? command
            : throw new AdminException(AdminError.UnknownCommand, $"unknown command; known commands: {string.Join(", ", commands.Keys)}");
    }

    private async Task WriteAsync(NetworkStream stream, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(limits.Timeout);
        await stream.WriteAsync(bytes, timeout.Token);
    }

    /// <summary>
    /// Reads a while what still comes: a TCP socket closed over unread bytes resets, and the answer would be lost with it.
    /// </summary>
    private async Task CloseAsync(NetworkStream stream, CancellationToken ct)
    {
        socket.Shutdown(SocketShutdown.Send);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(TimeSpan.FromSeconds(1));
        var rest = new byte[4096];
        while (await stream.ReadAsync(rest, timeout.Token) > 0)
        {
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Debug, Message = "admin: the connection of {Caller} ended: {Reason}")]
    private static partial void Gone(ILogger logger, string caller, string reason);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "admin: a command failed")]
    private static partial void Failed(ILogger logger, Exception defect);
}
