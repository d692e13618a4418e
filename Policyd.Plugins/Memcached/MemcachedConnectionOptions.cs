using System.ComponentModel;

namespace Policyd.Plugins.Memcached;

/// <summary>The options of a connection with <c>module = Memcached</c>.</summary>
public sealed class MemcachedConnectionOptions
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
}
