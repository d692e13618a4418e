namespace Policyd.Plugins.Ldap;

/// <summary>
/// A directory that cannot be asked: it is away, refuses the bind, or does not speak LDAP. The message holds no password.
/// </summary>
internal sealed class LdapException : Exception
{
    public LdapException(string message)
        : base(message)
    {
    }

    public LdapException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
