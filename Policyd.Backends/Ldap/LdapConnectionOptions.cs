using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Policyd.Configuration.Options;
using Policyd.Configuration.Sources;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Connections;
using Policyd.Protocol;

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

    /// <summary>How long an operation may take; 0: as long as the plugin that asks may wait.</summary>
    [Description("the timeout of an operation, in seconds; 0: none but the plugin's own")]
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

    private const string Scheme = "ldap://";

    internal X509Certificate2Collection? Authorities { get; private set; }

    /// <inheritdoc/>
    public string? Check()
    {
        if (CheckHost() is { } wrong)
        {
            return $"host: {wrong}";
        }

        // A bind with a name and no password succeeds as anonymous (RFC 4513, section 5.1.2): nobody means that.
        if (Binddn is { Length: > 0 } && Password is not { Length: > 0 })
        {
            return "binddn needs a password";
        }

        if (CaFile is null)
        {
            return null;
        }

        if (CaFile.Length == 0)
        {
            return "ca_file: the path is empty";
        }

        try
        {
            RegularFile.Demand(CaFile);
            Authorities = [];
            Authorities.ImportFromPemFile(CaFile);
            return Authorities.Count > 0 ? null : $"ca_file: {CaFile} contains no certificate";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException
            or ArgumentException)
        {
            return $"ca_file: {exception.Message}";
        }
    }

    /// <inheritdoc/>
    public IAsyncDisposable Open(ConnectionSetup setup) => new LdapDirectory(this, setup);

    // Net::LDAP, by which mtpolicyd connects, takes a URL and HOST:PORT as well.
    private string? CheckHost()
    {
        var text = Host;
        if (text.IndexOf("://", StringComparison.Ordinal) is > 0 and var end)
        {
            if (!text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            {
                return $"{text[..end]}:// is not supported; set the host alone, and starttls for TLS";
            }

            text = text[Scheme.Length..].TrimEnd('/');
        }

        if (!ConfiguredHost.TryRead(text, out var host, out var error))
        {
            if (!PolicyEndpoint.TryParse(text, out var endpoint, out _) || !endpoint.IsConnectable || endpoint.IsUnix || !HasHost(text))
            {
                return error;
            }

            (host, Port) = (endpoint.Host, endpoint.Port);
        }

        Host = host;
        return null;
    }

    // An endpoint without one would be on this machine.
    private static bool HasHost(string text) => text.LastIndexOf(':') > 0;
}
