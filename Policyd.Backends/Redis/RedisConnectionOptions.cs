using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using Policyd.Configuration.Options;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Protocol;
using StackExchange.Redis;

namespace Policyd.Backends.Redis;

/// <summary>The options of a connection with <c>module = Redis</c>.</summary>
[ConnectionModule("Redis", typeof(IValueCache), typeof(ICountingCache))]
public sealed class RedisConnectionOptions : IConnectionModule
{
    /// <summary>The server.</summary>
    [Description("the server, HOST:PORT")]
    public string Server { get; set; } = "127.0.0.1:6379";

    /// <summary>The server's UNIX-domain socket; wins over <see cref="Server"/>.</summary>
    [Description("the server's UNIX-domain socket; use this instead of server")]
    public string? Sock { get; set; }

    /// <summary>The sentinels that know the server.</summary>
    [Description("the sentinels that tell which server is the master; use this instead of server")]
    public IReadOnlyList<string> Sentinels { get; set; } = [];

    /// <summary>The name under which the sentinels know the server.</summary>
    [Description("the sentinels' name of the service")]
    public string? Service { get; set; }

    /// <summary>The password. Never shown.</summary>
    [Description("the password"), SecretOption]
    public string? Password { get; set; }

    /// <summary>The number of the database.</summary>
    [Description("the number of the database"), Range(0, int.MaxValue)]
    public int Db { get; set; }

    /// <summary>The server for messages, without the password.</summary>
    internal string Where => Sentinels.Count > 0 ? $"{Service} of {string.Join(", ", Sentinels)}" : Sock ?? Server;

    /// <inheritdoc/>
    public string? Check()
    {
        if (Sentinels.Count > 0 != Service is { Length: > 0 })
        {
            return "sentinels and service must be set together";
        }

        if (Sentinels.Append(Server).Any(server => EndPointOf(server) is null))
        {
            // Not quoted: a password may stand in it, as in redis://:PASSWORD@HOST or HOST,password=PASSWORD.
            return $"{(EndPointOf(Server) is null ? "server" : "sentinels")}: not a valid address; expected HOST, HOST:PORT or [V6]:PORT";
        }

        return Sock is not null && PolicyEndpoint.SocketPathProblem(Sock) is { } problem ? $"sock: {problem}" : null;
    }

    /// <inheritdoc/>
    public IAsyncDisposable Open(ConnectionSetup setup) => new RedisClient(this, setup);

    internal ConfigurationOptions ToConfiguration()
    {
        var configuration = new ConfigurationOptions
        {
            // A server that is away now is connected to when it is back; meanwhile nothing queues for it.
            AbortOnConnectFail = false,
            BacklogPolicy = BacklogPolicy.FailFast,
            ConnectTimeout = 1000,
            AsyncTimeout = 1000,
            DefaultDatabase = Db,
            Password = Password,
            ServiceName = Sentinels.Count > 0 ? Service : null,
            ClientName = "policyd",
            Tunnel = new BoundedTunnel(),
        };
        foreach (var endpoint in Sentinels.Count > 0
            ? Sentinels.Select(EndPointOf)
            : [Sock is { } path ? new UnixDomainSocketEndPoint(path) : EndPointOf(Server)])
        {
            configuration.EndPoints.Add(endpoint!);
        }

        return configuration;
    }

    private static EndPoint? EndPointOf(string text)
    {
        var found = PolicyEndpoint.TryParse(text, out var endpoint, out _) || PolicyEndpoint.TryParse(text + ":6379", out endpoint, out _);
        if (!found || endpoint!.IsUnix || !endpoint.IsConnectable)
        {
            return null;
        }

        return IPAddress.TryParse(endpoint.Host, out var address)
            ? new IPEndPoint(address, endpoint.Port)
            : new DnsEndPoint(endpoint.Host, endpoint.Port);
    }
}
