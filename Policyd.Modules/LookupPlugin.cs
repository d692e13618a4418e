using System.ComponentModel;
using Policyd.Plugins.Api;

namespace Policyd.Modules;

/// <summary>What SqlList and PostfixMap do once they know whether a mail is in what they look it up in.</summary>
public abstract class LookupPlugin : Plugin
{
    /// <summary>Whether it looks.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = new(true);

    /// <summary>The score of a match.</summary>
    [Description("the score to add on a match, once per mail")]
    public double? Score { get; set; }

    /// <summary>The action of a match.</summary>
    [Description("the action to return on a match"), Places]
    public ActionTemplate? MatchAction { get; set; }

    /// <summary>The action of no match.</summary>
    [Description("the action to return when there is no match"), Places]
    public ActionTemplate? NotMatchAction { get; set; }

    private protected PluginResult Found(PluginContext context, bool matches)
    {
        context.AddScoreOnce(Name, matches ? Score : null);
        return (matches ? MatchAction : NotMatchAction) is { } action ? PluginResult.Answer(action.Text) : PluginResult.Continue;
    }
}
