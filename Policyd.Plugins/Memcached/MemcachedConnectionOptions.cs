using System.ComponentModel;
using Policyd.Plugins.Connections;
using Policyd.Protocol;

namespace Policyd.Plugins.Memcached;

/// <summary>The options of a connection with <c>module = Memcached</c>.</summary>
public sealed class MemcachedConnectionOptions : IConnectionOptions
{
    /// <summary>The servers; keys are spread over them.</summary>
    [Description("the servers, HOST:PORT or unix:/path; keys are spread over them")]
    public IReadOnlyList<string> Servers { get; set; } = ["127.0.0.1:11211"];

    /// <summary>Put before every key.</summary>
    [Description("put before every key")]
    public string Namespace { get; set; } = "";

    /// <summary>Whether each operation is logged.</summary>
    [Description("whether each operation is logged")]
    public bool Debug { get; set; }

    /// <summary>How long connecting to a server may take.</summary>
    [Description("how long connecting to a server may take")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long an operation may take; a server that needs longer is taken for away.</summary>
    [Description("how long an operation may take; a server that needs longer is taken for away")]
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

            if (endpoints.Contains(endpoint))
            {
                return $"servers: {endpoint} is there twice";
            }

            endpoints.Add(endpoint);
        }

        Endpoints = endpoints;
        return endpoints.Count == 0 ? "servers: there is none"
            : ConnectTimeout <= TimeSpan.Zero ? "connect_timeout must be more than 0"
            : Timeout <= TimeSpan.Zero ? "timeout must be more than 0"
            : null;
    }

    /// <inheritdoc/>
    public IAsyncDisposable Create(string name, ConnectionEnvironment environment) => new MemcachedClient(name, this, environment);
}
