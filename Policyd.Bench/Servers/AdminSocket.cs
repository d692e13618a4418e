using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Policyd.Bench.Servers;

/// <summary>The admin endpoint of a server: one question in a line, one answer in a line.</summary>
internal sealed class AdminSocket(string path)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <exception cref="SocketException">Nobody listens there.</exception>
    /// <exception cref="InvalidOperationException">The server refuses; the message is its own.</exception>
    public async Task<JsonElement> AskAsync(string command, JsonObject arguments, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Timeout);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token).ConfigureAwait(false);
        using var stream = new NetworkStream(socket);
        var question = new JsonObject { ["command"] = command, ["arguments"] = arguments };
        await stream.WriteAsync(Encoding.UTF8.GetBytes(question.ToJsonString() + "\n"), limit.Token).ConfigureAwait(false);
        using var reader = new StreamReader(stream);
        var line = await reader.ReadLineAsync(limit.Token).ConfigureAwait(false)
            ?? throw new InvalidOperationException($"{path}: no answer to {command}.");
        using var answer = JsonDocument.Parse(line);
        return answer.RootElement.GetProperty("ok").GetBoolean()
            ? answer.RootElement.GetProperty("result").Clone()
            : throw new InvalidOperationException(
                $"{path}: {command}: {answer.RootElement.GetProperty("error").GetProperty("message").GetString()}");
    }
}
