using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Policyd.Plugins.Addresses;

namespace Policyd.Backends.Dns;

/// <summary>The options of <c>policyd { dns { } }</c>.</summary>
public sealed class DnsOptions
{
    private const int Port = 53;

    /// <summary>The servers; empty: those of resolv.conf.</summary>
    [Description("the DNS servers, ADDRESS[:PORT] or [V6]:PORT; default: those of /etc/resolv.conf")]
    public IReadOnlyList<string> Servers { get; set; } = [];

    /// <summary>The time for a lookup, all tries included.</summary>
    [Description("the timeout of a lookup, including all retries and servers")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often a question is repeated.</summary>
    [Description("how often each server is asked again when it does not answer"), Range(0, 10)]
    public int Retries { get; set; } = 1;

    /// <summary>How many answers are kept, of lists and of all other names each.</summary>
    [Description("how many answers are cached, for list names and for all other names separately"), Range(16, 10_000_000)]
    public int CacheSize { get; set; } = 65536;

    /// <summary>How long a failure is kept.</summary>
    [Description("how long a failure (no answer, SERVFAIL) is cached")]
    public TimeSpan FailureTtl { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest time that any answer is kept.</summary>
    [Description("the longest time that an answer is cached, even if its TTL is longer")]
    public TimeSpan MaxTtl { get; set; } = TimeSpan.FromDays(1);

    /// <summary>What is wrong, as the option's name and a message; null when nothing is.</summary>
    internal (string Option, string Message)? Check()
    {
        foreach (var server in Servers)
        {
            if (!TryParse(server, out _))
            {
                return ("servers", $"\"{server}\" is not an address of a DNS server; expected ADDRESS, ADDRESS:PORT or [V6]:PORT");
            }
        }

        return Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(5) ? ("timeout", "must be more than 0 and at most 5 minutes")
            : FailureTtl < TimeSpan.Zero || FailureTtl > TimeSpan.FromHours(1) ? ("failure_ttl", "must be at most 1 hour")
            : MaxTtl < TimeSpan.Zero || MaxTtl > TimeSpan.FromDays(7) ? ("max_ttl", "must be at most 7 days")
            : null;
    }

    /// <summary>The servers to ask: the given ones, else resolv.conf's, else this host, as resolv.conf(5) has it.</summary>
    internal IReadOnlyList<IPEndPoint> Endpoints(string resolvConf = "/etc/resolv.conf")
    {
        if (Servers.Count > 0)
        {
            return [.. Servers.Select(server => TryParse(server, out var endpoint)
                ? endpoint
                : throw new FormatException($"\"{server}\" is not an address of a DNS server"))];
        }

        var found = new List<IPEndPoint>();
        try
        {
            foreach (var line in File.ReadLines(resolvConf))
            {
                var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words is ["nameserver", var text, ..] && IPAddress.TryParse(text, out var address))
                {
                    found.Add(new IPEndPoint(address, Port));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No file is as good as an empty one.
        }

        return found.Count > 0 ? found : [new IPEndPoint(IPAddress.Loopback, Port)];
    }

    /// <summary>An address with or without a port. A bare number is none, though <see cref="IPAddress"/> takes it for one.</summary>
    internal static bool TryParse(string text, [NotNullWhen(true)] out IPEndPoint? endpoint)
    {
        endpoint = null;
        if (AddressText.TryParseConfigured(text, out var bare) && !text.StartsWith('['))
        {
            endpoint = new IPEndPoint(bare, Port);
            return true;
        }

        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? text : text[..colon];
        var port = Port;
        if (text.EndsWith(']'))
        {
            host = text;
        }
        else if (colon < 0
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port)
            || port is < 1 or > ushort.MaxValue)
        {
            return false;
        }

        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        if (!AddressText.TryParseConfigured(bracketed ? host[1..^1] : host, out var address) || bracketed == address.IsIPv4())
        {
            return false;
        }

        endpoint = new IPEndPoint(address, port);
        return true;
    }
}
