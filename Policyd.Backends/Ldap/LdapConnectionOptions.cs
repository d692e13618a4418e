using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Policyd.Configuration.Options;
using Policyd.Plugins.Connections;

namespace Policyd.Backends.Ldap;

/// <summary>The options of a connection with <c>module = Ldap</c>.</summary>
[ConnectionModule("Ldap")]
public sealed class LdapConnectionOptions : IConnectionModule
{
    /// <summary>The server's name or address.</summary>
    [Description("the server's name or address")]
    public string Host { get; set; } = "localhost";

    /// <summary>The server's port.</summary>
    [Description("the server's port"), Range(1, 65535)]
    public int Port { get; set; } = 389;

    /// <summary>Whether TCP keep-alive is on.</summary>
    [Description("on: use TCP keep-alive")]
    public bool Keepalive { get; set; } = true;

    /// <summary>How long an operation may take.</summary>
    [Description("the timeout of an operation, in seconds")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>Who binds; null: nobody (anonymous).</summary>
    [Description("the distinguished name to bind as; default: anonymous")]
    public string? Binddn { get; set; }

    /// <summary>The password to bind with. Never shown.</summary>
    [Description("the password to bind with"), SecretOption]
    public string? Password { get; set; }

    /// <summary>Whether the connection is secured by StartTLS (RFC 4511, section 4.14).</summary>
    [Description("on: use StartTLS before the bind")]
    public bool Starttls { get; set; } = true;

    /// <summary>A file of certificates in PEM; null: the system's.</summary>
    [Description("a PEM file with the certificate authorities to trust; default: those of the system")]
    public string? CaFile { get; set; }

    internal X509Certificate2Collection? Authorities { get; private set; }

    /// <inheritdoc/>
    public string? Check()
    {
        // A bind with a name and no password succeeds as anonymous (RFC 4513, section 5.1.2): nobody means that.
        if (Binddn is { Length: > 0 } && Password is not { Length: > 0 })
        {
            return "binddn needs a password";
        }

        if (CaFile is null)
        {
            return null;
        }

        try
        {
            Authorities = [];
            Authorities.ImportFromPemFile(CaFile);
            return Authorities.Count > 0 ? null : $"ca_file: {CaFile} contains no certificate";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return $"ca_file: {exception.Message}";
        }
    }

    /// <inheritdoc/>
    public IAsyncDisposable Open(ConnectionSetup setup) => new LdapDirectory(this, setup);
}
