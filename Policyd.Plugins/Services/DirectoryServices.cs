using System.Formats.Asn1;
using Policyd.Plugins.Api;
using Policyd.Plugins.Ldap;

namespace Policyd.Plugins.Services;

/// <summary>How a plugin searches a directory over LDAP, in <see cref="Plugin.Initialize"/>.</summary>
public static class DirectoryServices
{
    /// <summary>
    /// Makes a search ready. An error at its option's place when the filter is none (RFC 4515), or when there is no such connection.
    /// </summary>
    /// <param name="setup">The plugin's.</param>
    /// <param name="option">The option that the filter is of.</param>
    /// <param name="filter">The filter; each <c>%s</c> stands for the value of a call, which is escaped.</param>
    /// <param name="baseName">The distinguished name below which is searched.</param>
    /// <param name="attributes">What to give of each entry.</param>
    /// <param name="connection">The name of the connection, whose module is Ldap.</param>
    /// <param name="connectionOption">The option that names the connection.</param>
    /// <returns>The search; null after an error, with which the server does not start.</returns>
    public static LdapLookup? Search(
        this PluginSetup setup,
        string option,
        string filter,
        string baseName,
        IReadOnlyList<string> attributes,
        string connection,
        string connectionOption = "ldap")
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentNullException.ThrowIfNull(attributes);
        var directory = setup.Connection<ILdapDirectory>(connectionOption, connection, "Ldap");
        var lookup = new LdapLookup(directory!, filter, baseName, attributes);
        try
        {
            LdapFilter.Write(lookup.FilterFor("x"), new AsnWriter(AsnEncodingRules.BER));
        }
        catch (FormatException e)
        {
            setup.Error(option, e.Message);
            return null;
        }

        return directory is null ? null : lookup;
    }
}
