using Policyd.Plugins.Api;
using Policyd.Plugins.Fail2Ban;
using Policyd.Protocol;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin has addresses banned, in <see cref="Plugin.Initialize"/>.</summary>
public static class Fail2BanServices
{
    /// <summary>
    /// A jail of the fail2ban on this machine. An error at the option's place when the socket's path can be none, or the jail's name is
    /// empty or contains a control character.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="socket">The path of fail2ban's socket; a relative one counts from the configuration file's folder.</param>
    /// <param name="jail">The jail.</param>
    /// <param name="socketOption">The option that has the path.</param>
    /// <param name="jailOption">The option that has the jail.</param>
    /// <returns>The jail; null after an error, with which the server does not start.</returns>
    public static Fail2BanJail? Fail2Ban(
        this PluginSetup setup, string socket, string jail, string socketOption = "socket", string jailOption = "jail")
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(jail);
        var path = setup.ResolvePath(socket);
        var wrong = socket.Length == 0 ? "the path of the socket is empty" : PolicyEndpoint.SocketPathProblem(path);
        if (wrong is not null)
        {
            setup.Error(socketOption, wrong);
        }

        // fail2ban has no jail with such a character in its name: its names are sections of a configuration file.
        var noJail = jail.Length == 0 ? "the name of the jail is empty"
            : jail.Any(char.IsControl) ? "the name of the jail contains a control character or line end"
            : null;
        if (noJail is not null)
        {
            setup.Error(jailOption, noJail);
        }

        return wrong is null && noJail is null ? new Fail2BanJail(setup.Service<IFail2Ban>(), path, jail) : null;
    }
}
