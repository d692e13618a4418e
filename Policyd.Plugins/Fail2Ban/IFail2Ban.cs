using System.Net;

namespace Policyd.Plugins.Fail2Ban;

/// <summary>Has a fail2ban on this machine ban addresses.</summary>
internal interface IFail2Ban
{
    /// <summary>Bans an address in a jail.</summary>
    /// <param name="socket">The path of fail2ban's socket.</param>
    /// <param name="jail">The jail.</param>
    /// <param name="address">The address.</param>
    /// <param name="ct">Ends the wait for the reply.</param>
    /// <exception cref="System.Net.Sockets.SocketException">fail2ban is away.</exception>
    /// <exception cref="InvalidDataException">It answered something else than a reply.</exception>
    ValueTask<Fail2BanReply> BanAsync(string socket, string jail, IPAddress address, CancellationToken ct);
}

/// <summary>What fail2ban answers to a command.</summary>
/// <param name="Status">0: the command was done.</param>
/// <param name="Text">The texts in it. From the network: escape it.</param>
public sealed record Fail2BanReply(int Status, string Text);
