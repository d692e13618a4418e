using System.Net.Sockets;
using System.Text;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>What systemd hears of a service (sd_notify(3)).</summary>
internal sealed class NotifySocket : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
    {
        ReceiveTimeout = (int)Eventually.Timeout.TotalMilliseconds,
    };

    public NotifySocket(string path)
    {
        Path = path;
        _socket.Bind(new UnixDomainSocketEndPoint(path));
    }

    public string Path { get; }

    /// <summary>The next message.</summary>
    public string Receive()
    {
        var buffer = new byte[200];
        return Encoding.ASCII.GetString(buffer, 0, _socket.Receive(buffer));
    }

    /// <summary>What has come and was not taken; the service has ended.</summary>
    public IReadOnlyList<string> Rest()
    {
        var rest = new List<string>();
        while (_socket.Available > 0)
        {
            rest.Add(Receive());
        }

        return rest;
    }

    public void Dispose() => _socket.Dispose();
}
