using System.Net;
using Policyd.Plugins.Fail2Ban;

namespace Policyd.Plugins.Services;

/// <summary>A jail of fail2ban, made by <see cref="Fail2BanServices.Fail2Ban"/>.</summary>
public sealed class Fail2BanJail
{
    private readonly IFail2Ban _fail2Ban;

    internal Fail2BanJail(IFail2Ban fail2Ban, string socket, string jail) => (_fail2Ban, Socket, Jail) = (fail2Ban, socket, jail);

    /// <summary>The path of fail2ban's socket.</summary>
    public string Socket { get; }

    /// <summary>The jail.</summary>
    public string Jail { get; }

    /// <summary>
    /// Bans an address. In a rehearsal the plugin leaves it out: see <see cref="Api.PluginContext.IsRehearsal"/>.
    /// </summary>
    /// <param name="address">The address.</param>
    /// <param name="ct">Ends the wait for the reply, such as the token of <see cref="Sources.SourceTime"/>.</param>
    /// <returns>The reply: whether the address is banned, <see cref="Fail2BanReply.Status"/> tells.</returns>
    /// <exception cref="System.Net.Sockets.SocketException">fail2ban is away.</exception>
    /// <exception cref="InvalidDataException">It answered something else than a reply.</exception>
    /// <exception cref="OperationCanceledException">It did not answer in time.</exception>
    public ValueTask<Fail2BanReply> BanAsync(IPAddress address, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(address);
        return _fail2Ban.BanAsync(Socket, Jail, address, ct);
    }
}
