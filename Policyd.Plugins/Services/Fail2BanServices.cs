using Policyd.Plugins.Api;
using Policyd.Plugins.Fail2Ban;
using Policyd.Protocol;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin has addresses banned, in <see cref="Plugin.Initialize"/>.</summary>
public static class Fail2BanServices
{
    /// <summary>
    /// A jail of the fail2ban on this machine. An error at the option's place when the socket's path can be none, or the jail has no name.
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
        var fits = true;
        if (PolicyEndpoint.SocketPathProblem(path) is { } problem)
        {
            setup.Error(socketOption, problem);
            fits = false;
        }

        if (jail.Length == 0)
        {
            setup.Error(jailOption, "the name of the jail is empty");
            fits = false;
        }

        return fits ? new Fail2BanJail(setup.Service<IFail2Ban>(), path, jail) : null;
    }
}
