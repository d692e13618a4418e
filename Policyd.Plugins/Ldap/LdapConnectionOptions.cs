using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Policyd.Plugins.Ldap;

/// <summary>The options of a connection with <c>module = Ldap</c>.</summary>
public sealed class LdapConnectionOptions
{
    /// <summary>The server's name or address.</summary>
    [Description("the server's name or address")]
    public string Host { get; set; } = "localhost";

    /// <summary>The server's port.</summary>
    [Description("the server's port"), Range(1, 65535)]
    public int Port { get; set; } = 389;

    /// <summary>Whether TCP keep-alive is on.</summary>
    [Description("whether TCP keep-alive is on")]
    public bool Keepalive { get; set; } = true;

    /// <summary>How long an operation may take.</summary>
    [Description("how long an operation may take, in seconds")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>Who binds; null: nobody (anonymous).</summary>
    [Description("the distinguished name to bind as; absent: anonymous")]
    public string? Binddn { get; set; }

    /// <summary>The password to bind with. Never shown.</summary>
    [Description("the password to bind with")]
    public string? Password { get; set; }

    /// <summary>Whether the connection is secured by StartTLS (RFC 4511, section 4.14).</summary>
    [Description("whether the connection is secured by StartTLS before the bind")]
    public bool Starttls { get; set; } = true;
}
