using System.ComponentModel;
using Policyd.Plugins.Api;

namespace TcpTableSample;

/// <summary>Answers what a table says of the client: a plugin that uses a connection module of its own.</summary>
[Module("TcpTableAction")]
[SideEffects]
public sealed class TcpTablePlugin : Plugin
{
    private TcpTable _table = null!;

    /// <summary>The connection.</summary>
    [Description("the TcpTable connection")]
    public string Table { get; set; } = "tcptable";

    /// <summary>What is looked up.</summary>
    [Description("the attribute whose value is looked up"), AttributeName]
    public string Field { get; set; } = "client_address";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup) => _table = setup.Connection<TcpTable>("table", Table, "TcpTable")!;

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (context.Request[Field] is not { Length: > 0 } key)
        {
            return PluginResult.Continue;
        }

        // Once per mail: its further recipients find the value in the session.
        var action = await context.CachedAsync($"{Name}-{key}", () => _table.FindAsync(key, context.Cancellation));
        context.Note(Field, key);
        return action is null ? PluginResult.Continue : PluginResult.Answer(action);
    }
}
