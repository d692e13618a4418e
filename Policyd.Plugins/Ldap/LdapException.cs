namespace Policyd.Plugins.Ldap;

/// <summary>
/// A directory that cannot be asked: it is away, refuses the bind, does not answer in time, or does not speak LDAP. The message holds no
/// password.
/// </summary>
public sealed class LdapException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is the matter.</param>
    public LdapException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is the matter.</param>
    /// <param name="inner">The cause.</param>
    public LdapException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
