using System.ComponentModel;
using System.Net;
using Policyd.Protocol;

namespace Policyd.Engine.Model;

/// <summary>The options of <c>admin { }</c>: where the running server takes the commands of its operator.</summary>
public sealed class AdminOptions
{
    /// <summary>The socket's name inside the server's folder of runtime files.</summary>
    public const string SocketName = "admin.sock";

    /// <summary>The folder of runtime files of a service that systemd did not name one for.</summary>
    public const string DefaultFolder = "/run/policyd";

    /// <summary>Where to listen.</summary>
    [Description(
        "the endpoint of the admin commands: unix:/path, 127.0.0.1:PORT, or off; default: admin.sock in the folder of "
            + "RUNTIME_DIRECTORY or in /run/policyd")]
    public string? Listen { get; set; }

    /// <summary>Whether an address that other hosts reach may be given.</summary>
    [Description("on: listen may be an address that other hosts can reach; they can then read and change every counter")]
    public bool AllowRemote { get; set; }

    /// <summary>Whether the endpoint is turned off.</summary>
    internal bool IsOff => string.Equals(Listen, "off", StringComparison.OrdinalIgnoreCase);

    /// <summary>Says what is wrong with the options; null when nothing is.</summary>
    public string? Check()
    {
        if (Listen is null || IsOff)
        {
            return null;
        }

        if (!PolicyEndpoint.TryParse(Listen, out var endpoint, out var error))
        {
            return error;
        }

        return endpoint.IsUnix || AllowRemote || IsLoopback(endpoint.Host)
            ? null
            : $"{endpoint} can be reached from other hosts, which could then change every counter; use a UNIX socket or "
                + $"127.0.0.1, or set allow_remote = on";
    }

    /// <summary>
    /// Where the endpoint is: as configured, else in the folder that systemd made for the service (<c>RUNTIME_DIRECTORY</c>), else in
    /// <see cref="DefaultFolder"/>. Null when it is turned off.
    /// </summary>
    /// <param name="runtimeDirectory">The environment's <c>RUNTIME_DIRECTORY</c>: several folders are separated by colons, the first
    /// counts.</param>
    public PolicyEndpoint? Endpoint(string? runtimeDirectory)
    {
        if (Listen is not null)
        {
            return IsOff || !PolicyEndpoint.TryParse(Listen, out var endpoint, out _) ? null : endpoint;
        }

        var folder = runtimeDirectory?.Split(':', 2)[0];
        return PolicyEndpoint.Unix(Path.Combine(string.IsNullOrEmpty(folder) ? DefaultFolder : folder, SocketName));
    }

    private static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
}
