using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Fail2Ban;

namespace Policyd.Plugins.Testing;

/// <summary>A fail2ban that writes down whom it is to ban.</summary>
public sealed class FakeFail2Ban : IFail2Ban
{
    private readonly ConcurrentQueue<string> _banned = new();

    /// <summary>Whether every ban fails with a <see cref="SocketException"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>Who is banned, in the order of the bans: <c>JAIL: ADDRESS</c>.</summary>
    public IReadOnlyList<string> Banned => [.. _banned];

    /// <inheritdoc/>
    ValueTask<Fail2BanReply> IFail2Ban.BanAsync(string socket, string jail, IPAddress address, CancellationToken ct)
    {
        if (IsAway)
        {
            return ValueTask.FromException<Fail2BanReply>(new SocketException((int)SocketError.ConnectionRefused));
        }

        _banned.Enqueue($"{jail}: {address}");
        return new ValueTask<Fail2BanReply>(new Fail2BanReply(0, "1"));
    }
}
