using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Smtp;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin asks mail servers about addresses, in <see cref="Plugin.Initialize"/>.</summary>
public static class MailServices
{
    /// <summary>
    /// What asks mail servers whether they take mail for an address. It finds them through the server's resolver. An error at the option's
    /// place when <see cref="SmtpVerifierOptions.Host"/> can be no host, or <see cref="SmtpVerifierOptions.Port"/> no port.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="options">How to ask.</param>
    /// <param name="hostOption">The option that names the server to ask, if the plugin has one.</param>
    /// <param name="portOption">The option that names the port.</param>
    /// <returns>The verifier; null after an error, with which the server does not start.</returns>
    public static IMailVerifier? MailVerifier(
        this PluginSetup setup, SmtpVerifierOptions options, string hostOption = "host", string portOption = "port")
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(options);
        string? host = null;
        if (options.Host is { Length: > 0 } given && !ConfiguredHost.TryRead(given, out host, out var wrong))
        {
            setup.Error(hostOption, wrong);
            return null;
        }

        if (options.Port is < 1 or > 65535)
        {
            setup.Error(portOption, $"{options.Port} is not a port; it must be from 1 to 65535");
            return null;
        }

        return setup.Service<IMailVerifiers>().Create(setup.Dns, options with { Host = host });
    }
}
