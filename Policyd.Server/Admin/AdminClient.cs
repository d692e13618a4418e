using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Admin;

/// <summary>Asks the running server of a configuration. Every failure is a line for the operator and an exit code.</summary>
internal sealed class AdminClient(AdminOptions options, string configuration)
{
    private const int LongestAnswer = 64 * 1024 * 1024;
    private static readonly TimeSpan s_connecting = TimeSpan.FromSeconds(5);

    // Longer than any command's own timeout: the server's word on why it took so long is worth more than ours.
    private static readonly TimeSpan s_answering = TimeSpan.FromSeconds(90);

    /// <exception cref="CommandException">There is no server, or it refuses.</exception>
    public async Task<JsonElement> AskAsync(string command, JsonObject arguments, CancellationToken cancellationToken)
    {
        var answer = default(JsonElement);
        await TalkAsync(command, arguments, (line, _) =>
        {
            answer = line;
            return false;
        }, cancellationToken);
        return answer;
    }

    /// <summary>Asks, and hands over what follows the answer, a line each, until the server ends it or it is cancelled.</summary>
    /// <exception cref="CommandException">There is no server, it refuses, or it ends.</exception>
    public Task FollowAsync(string command, JsonObject arguments, Action<JsonElement> each, CancellationToken cancellationToken) =>
        TalkAsync(command, arguments, (line, isFirst) =>
        {
            if (!isFirst)
            {
                each(line);
            }

            return true;
        }, cancellationToken);

    /// <summary>The first answer is waited for so long and no longer; further ones come when they come.</summary>
    private async Task TalkAsync(
        string command, JsonObject arguments, Func<JsonElement, bool, bool> goesOn, CancellationToken cancellationToken)
    {
        var endpoint = Endpoint();
        using var socket = await ConnectAsync(endpoint, cancellationToken);
        await using var stream = new NetworkStream(socket);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_answering);
        try
        {
            await stream.WriteAsync(AdminMessage.Request(command, arguments), timeout.Token);
            var reader = new LineReader(stream, LongestAnswer);
            for (var isFirst = true; ; isFirst = false)
            {
                var (status, line) = await reader.ReadAsync(isFirst ? timeout.Token : cancellationToken);
                if (status != LineStatus.Line)
                {
                    throw isFirst
                        ? new CommandException(ExitCode.Protocol, $"the server at {endpoint} closed the connection without an answer")
                        : new CommandException(ExitCode.Unavailable, $"the server at {endpoint} has ended");
                }

                using var answer = AdminMessage.Read(line);
                if (!goesOn(Result(answer.RootElement).Clone(), isFirst))
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.Unavailable, $"the server at {endpoint} did not answer within {s_answering.TotalSeconds:0} s");
        }
        catch (Exception broken) when (broken is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CommandException(ExitCode.Protocol, $"the program that answers at {endpoint} is not policyd");
        }
        catch (Exception broken) when (broken is IOException or SocketException)
        {
            throw new CommandException(ExitCode.Unavailable, $"the connection to the server at {endpoint} broke: {broken.Message}");
        }
    }

    private PolicyEndpoint Endpoint()
    {
        if (options.Check() is { } wrong)
        {
            throw new CommandException(ExitCode.Config, $"{configuration}: admin: listen: {wrong}");
        }

        return options.Endpoint(Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY"))
            ?? throw new CommandException(
                ExitCode.Unavailable, $"the admin endpoint is disabled in {configuration} (admin {{ listen = off }})");
    }

    private static JsonElement Result(JsonElement answer)
    {
        if (answer.GetProperty("ok").GetBoolean())
        {
            return answer.GetProperty("result");
        }

        var error = answer.GetProperty("error");
        throw new CommandException(
            error.GetProperty("code").GetString() switch
            {
                AdminError.BadRequest or AdminError.NotFound or AdminError.Ambiguous => ExitCode.Usage,
                AdminError.UnknownCommand => ExitCode.Protocol,
                AdminError.Internal => ExitCode.Software,
                _ => ExitCode.Unavailable,
            },
            error.GetProperty("message").GetString()!);
    }

    private static async Task<Socket> ConnectAsync(PolicyEndpoint endpoint, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_connecting);
        try
        {
            return await endpoint.ConnectAsync(timeout.Token);
        }
        catch (Exception failure) when (Explained(failure, endpoint) is { } explained)
        {
            throw explained;
        }
    }

    private static CommandException? Explained(Exception failure, PolicyEndpoint endpoint) => failure switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } =>
            new CommandException(ExitCode.NoPermission, $"no permission for {endpoint}: run this as root or as the server's user"),
        SocketException when endpoint.IsUnix && !File.Exists(endpoint.Path) =>
            new CommandException(
                ExitCode.Unavailable,
                $"no server answers at {endpoint}: the socket does not exist; check that the server runs with this configuration"),
        SocketException or ArgumentException =>
            new CommandException(ExitCode.Unavailable, $"no server answers at {endpoint}: {failure.Message}"),
        OperationCanceledException =>
            new CommandException(ExitCode.Unavailable, $"no server answers at {endpoint} within {s_connecting.TotalSeconds:0} s"),
        _ => null,
    };
}
