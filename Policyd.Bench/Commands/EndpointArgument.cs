using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Net.Sockets;
using Policyd.Protocol;

namespace Policyd.Bench.Commands;

/// <summary>End points on the command line, written as in the server's configuration.</summary>
internal static class EndpointArgument
{
    public static Argument<EndPoint> Server() => new("endpoint")
    {
        Description = "The server: HOST:PORT or unix:/path.",
        CustomParser = Parse,
    };

    public static EndPoint? Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (!PolicyEndpoint.TryParse(text, out var endpoint, out var error))
        {
            result.AddError($"'{text}' is no end point: {error}");
            return null;
        }

        try
        {
            return Resolve(endpoint!);
        }
        catch (SocketException reason)
        {
            result.AddError($"'{text}' cannot be resolved: {reason.Message}");
            return null;
        }
    }

    /// <summary>The end point as it is written.</summary>
    public static string Text(EndPoint endpoint) => endpoint is UnixDomainSocketEndPoint ? $"unix:{endpoint}" : endpoint.ToString()!;

    private static EndPoint Resolve(PolicyEndpoint endpoint)
    {
        if (endpoint.IsUnix)
        {
            return new UnixDomainSocketEndPoint(endpoint.Path);
        }

        var address = IPAddress.TryParse(endpoint.Host, out var literal) ? literal : Dns.GetHostAddresses(endpoint.Host)[0];
        return new IPEndPoint(address, endpoint.Port);
    }
}
