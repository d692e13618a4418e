using System.ComponentModel;
using Policyd.Plugins.Connections;
using Policyd.Protocol;

namespace TcpTableSample;

/// <summary>The options of a section of <c>connections { }</c> with <c>module = TcpTable</c>.</summary>
[ConnectionModule("TcpTable")]
public sealed class TcpTableOptions : IConnectionModule
{
    /// <summary>The server.</summary>
    [Description("the server of the table, HOST:PORT")]
    public string Server { get; set; } = "127.0.0.1:2525";

    /// <summary>How long a question may take.</summary>
    [Description("how long a question may take, the opening of the connection included")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public string? Check() => Endpoint(out var error) is null ? $"server: {error}"
        : Timeout <= TimeSpan.Zero ? "timeout: must be longer than 0"
        : null;

    /// <inheritdoc/>
    public IAsyncDisposable Open(ConnectionSetup setup) => new TcpTable(Endpoint(out _)!, Timeout, setup);

    private PolicyEndpoint? Endpoint(out string? error) =>
        PolicyEndpoint.TryParse(Server, out var endpoint, out error) ? endpoint : null;
}
