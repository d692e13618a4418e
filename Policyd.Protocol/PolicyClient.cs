using System.Net.Sockets;

namespace Policyd.Protocol;

/// <summary>The server could not be asked, or did not answer as the protocol wants it.</summary>
public sealed class PolicyClientException : Exception
{
    /// <summary>An error with a message for the operator.</summary>
    public PolicyClientException(string message)
        : base(message)
    {
    }

    /// <summary>An error with a message for the operator and the error below it.</summary>
    public PolicyClientException(string message, Exception inner)
        : base(message, inner)
    {
    }
}

/// <summary>
/// Asks a policy server over one connection, one request after the other as Postfix does. Not safe for several threads. After an
/// exception the connection is of no more use (the answer may still come, and would be taken for that of the next request): it takes no
/// more requests, dispose it.
/// </summary>
public sealed class PolicyClient : IAsyncDisposable
{
    private const int MaxReplyBytes = 64 * 1024;

    private readonly Socket _socket;
    private readonly PolicyEndpoint _endpoint;
    private byte[] _buffer = new byte[512];
    private bool _isBroken;

    private PolicyClient(Socket socket, PolicyEndpoint endpoint)
    {
        _socket = socket;
        _endpoint = endpoint;
    }

    /// <summary>
    /// True while the connection can take a request: the server has not closed it and has sent nothing that nobody asked for. This is
    /// the test that Postfix makes before each request.
    /// </summary>
    public bool IsUsable => !_isBroken && !_socket.Poll(0, SelectMode.SelectRead);

    /// <summary>Connects.</summary>
    /// <exception cref="PolicyClientException">There is no server, or the name is not known.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public static async ValueTask<PolicyClient> ConnectAsync(PolicyEndpoint endpoint, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        try
        {
            return new PolicyClient(await endpoint.ConnectAsync(cancellationToken).ConfigureAwait(false), endpoint);
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException or InvalidOperationException)
        {
            throw new PolicyClientException($"cannot connect to {endpoint}: {Reason(exception, endpoint)}", exception);
        }
    }

    // The system's word for a path that leads nowhere would be "Cannot assign requested address".
    private static string Reason(Exception exception, PolicyEndpoint endpoint) =>
        exception is SocketException && endpoint.IsUnix && !File.Exists(endpoint.Path) ? "the socket does not exist" : exception.Message;

    /// <summary>Sends one request (its bytes with the closing empty line) and reads the action that is answered.</summary>
    /// <exception cref="PolicyClientException">
    /// The server closed, sent something unasked, or its answer names no action or never ends; or an earlier request failed.
    /// </exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public async ValueTask<string> AskAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        if (!IsUsable)
        {
            throw new PolicyClientException(
                $"the connection to {_endpoint} cannot be used any more: it was closed, or an earlier request failed");
        }

        _isBroken = true;
        try
        {
            for (var sent = 0; sent < request.Length;)
            {
                sent += await _socket.SendAsync(request[sent..], SocketFlags.None, cancellationToken).ConfigureAwait(false);
            }

            var action = await ReadActionAsync(cancellationToken).ConfigureAwait(false);
            _isBroken = false;
            return action;
        }
        catch (SocketException exception)
        {
            throw new PolicyClientException($"the connection to {_endpoint} broke: {exception.Message}", exception);
        }
    }

    /// <summary>Closes the connection.</summary>
    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async ValueTask<string> ReadActionAsync(CancellationToken cancellationToken)
    {
        var filled = 0;
        while (true)
        {
            if (filled == _buffer.Length)
            {
                if (filled >= MaxReplyBytes)
                {
                    throw new PolicyClientException($"the answer of {_endpoint} is longer than {MaxReplyBytes} bytes");
                }

                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            var read = await _socket.ReceiveAsync(_buffer.AsMemory(filled), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new PolicyClientException(filled == 0
                    ? $"{_endpoint} closed the connection without an answer"
                    : $"{_endpoint} closed the connection in the middle of its answer");
            }

            filled += read;
            if (PolicyReply.TryRead(_buffer.AsSpan(0, filled), out var action, out _))
            {
                return action ?? throw new PolicyClientException($"the answer of {_endpoint} contains no action");
            }
        }
    }
}
