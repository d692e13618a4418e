namespace Policyd.Plugins.Ldap;

/// <summary>
/// A directory that is searched over LDAP: a connection with <c>module = Ldap</c>. That it is away the connection logs, not its callers.
/// </summary>
internal interface ILdapDirectory
{
    /// <summary>The longest that a search may take.</summary>
    TimeSpan Timeout { get; }

    /// <summary>Searches.</summary>
    /// <exception cref="LdapException">The directory is away, does not answer in time, or does not speak LDAP.</exception>
    ValueTask<LdapResult> SearchAsync(LdapSearch search, CancellationToken ct);
}
