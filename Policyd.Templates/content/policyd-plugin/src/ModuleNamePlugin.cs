using System.ComponentModel;
using Policyd.Plugins.Api;

namespace PluginProject;

/// <summary>Refuses, or only scores, mail from clients that have no name in the DNS.</summary>
[Module("ModuleName")]
[SideEffects]
public sealed class ModuleNamePlugin : Plugin
{
    /// <summary>What the client is told.</summary>
    [Description("the text after reject")]
    public string Text { get; set; } = "your server has no name";

    /// <summary>What it adds to the score instead of refusing; null: it refuses.</summary>
    [Description("the score to add, once for each mail, instead of refusing it")]
    public double? Score { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Text.Length > 200)
        {
            setup.Error("text", "is longer than 200 characters");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (context.Request.ClientName is not ("" or "unknown"))
        {
            return new(PluginResult.Continue);
        }

        context.AddScoreOnce(Name, Score);
        return new(Score is null ? PluginResult.Answer($"reject {Text}") : PluginResult.Continue);
    }
}
