using System.ComponentModel;
using Policyd.Plugins.Caches;
using Policyd.Plugins.Connections;
using Policyd.Protocol;

namespace Policyd.Backends.Memcached;

/// <summary>The options of a connection with <c>module = Memcached</c>.</summary>
[ConnectionModule("Memcached", typeof(IValueCache))]
public sealed class MemcachedConnectionOptions : IConnectionModule
{
    /// <summary>The servers; keys are spread over them.</summary>
    [Description("the servers, HOST:PORT or unix:/path; the keys are distributed over them")]
    public IReadOnlyList<string> Servers { get; set; } = ["127.0.0.1:11211"];

    /// <summary>Put before every key.</summary>
    [Description("the prefix of every key")]
    public string Namespace { get; set; } = "";

    /// <summary>Whether each operation is logged.</summary>
    [Description("on: log each operation")]
    public bool Debug { get; set; }

    /// <summary>How long connecting to a server may take.</summary>
    [Description("the timeout for connecting to a server")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long an operation may take; a server that needs longer is taken for away.</summary>
    [Description("the timeout of an operation; a server that does not answer in time counts as unavailable")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(1);

    internal IReadOnlyList<PolicyEndpoint> Endpoints { get; private set; } = [];

    /// <inheritdoc/>
    public string? Check()
    {
        var endpoints = new List<PolicyEndpoint>();
        foreach (var server in Servers)
        {
            if (!PolicyEndpoint.TryParse(server, out var endpoint, out var error))
            {
                return $"servers: {error}";
            }

            if (!endpoint.IsConnectable)
            {
                return $"servers: no server can be asked at {endpoint}: set its host and its port";
            }

            if (endpoints.Contains(endpoint))
            {
                return $"servers: {endpoint} is listed twice";
            }

            endpoints.Add(endpoint);
        }

        Endpoints = endpoints;
        return endpoints.Count == 0 ? "servers: the list is empty"
            : ConnectTimeout <= TimeSpan.Zero ? "connect_timeout must be more than 0"
            : Timeout <= TimeSpan.Zero ? "timeout must be more than 0"
            : null;
    }

    /// <inheritdoc/>
    public IAsyncDisposable Open(ConnectionSetup setup) => new MemcachedClient(this, setup);
}
