using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Policyd.Plugins.Connections;
using Policyd.Protocol;

namespace TcpTableSample;

/// <summary>
/// A table behind Postfix's tcp_table(5): one connection, one question at a time. It connects when the first plugin asks, and anew after a
/// failure.
/// </summary>
public sealed partial class TcpTable : IAsyncDisposable
{
    private readonly PolicyEndpoint _server;
    private readonly TimeSpan _timeout;
    private readonly ConnectionSetup _setup;
    private readonly SemaphoreSlim _turn = new(1);
    private Stream? _stream;

    internal TcpTable(PolicyEndpoint server, TimeSpan timeout, ConnectionSetup setup) =>
        (_server, _timeout, _setup) = (server, timeout, setup);

    /// <summary>The value of a key; null when the table has none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="ct">The request's deadline: <c>context.Cancellation</c>.</param>
    /// <exception cref="IOException">The server does not answer as it should.</exception>
    /// <exception cref="SocketException">The server is away.</exception>
    /// <exception cref="OperationCanceledException">It did not answer in time.</exception>
    public async ValueTask<string?> FindAsync(string key, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(_timeout);
        await _turn.WaitAsync(limit.Token);
        try
        {
            return ValueOf(await AskAsync($"get {Uri.EscapeDataString(key)}\n", limit.Token));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // What was sent may still be answered: another question must not get that answer.
            Close();
            LogFailed(_setup.Logger, _setup.Name, e.Message);
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Close();
        _turn.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string? ValueOf(string answer) => answer.Split(' ', 2) switch
    {
        ["200", var value] => Uri.UnescapeDataString(value),
        ["500", ..] => null,
        _ => throw new IOException($"the table answered \"{answer}\""),
    };

    private async Task<string> AskAsync(string question, CancellationToken ct)
    {
        if (_stream is not null)
        {
            try
            {
                return await AskAsync(_stream, question, ct);
            }
            catch (IOException)
            {
                Close();   // the server has closed it since the last question
            }
        }

        return await AskAsync(_stream = await OpenAsync(ct), question, ct);
    }

    private static async Task<string> AskAsync(Stream stream, string question, CancellationToken ct)
    {
        await stream.WriteAsync(Encoding.UTF8.GetBytes(question), ct);
        var buffer = new byte[4096];
        for (var length = 0; length < buffer.Length;)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), ct);
            length += read > 0 ? read : throw new IOException("the table has closed the connection");
            if (buffer[length - 1] == '\n')
            {
                return Encoding.UTF8.GetString(buffer, 0, length - 1);
            }
        }

        throw new IOException("the answer of the table is too long");
    }

    private async Task<Stream> OpenAsync(CancellationToken ct)
    {
        var client = new TcpClient { NoDelay = true };
        try
        {
            await client.ConnectAsync(_server.Host, _server.Port, ct);
            return client.GetStream();   // owns the client's socket
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private void Close()
    {
        _stream?.Dispose();
        _stream = null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "connection {Name}: {Reason}")]
    private static partial void LogFailed(ILogger logger, string name, string reason);
}
