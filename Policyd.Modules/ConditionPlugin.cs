using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;

namespace Policyd.Modules;

/// <summary>Compares a value of the request or the session; when one of the tests is true it scores, answers, or runs its chain.</summary>
[Module("Condition")]
[KeepsNothing]
[SideEffects]
public sealed class ConditionPlugin : Plugin, INestedChain
{
    /// <summary>The value.</summary>
    [Description("the value to test, such as sender or session:KEY")]
    public required Variable Key { get; set; }

    /// <summary>Equal to this text.</summary>
    [Description("true when the value is this text")]
    public string? Match { get; set; }

    /// <summary>Matches this expression.</summary>
    [Description("true when the value matches this regular expression")]
    public PerlRegex? ReMatch { get; set; }

    /// <summary>Greater than this number.</summary>
    [Description("true when the value is a number greater than this; a text counts as the number at its start, else as 0")]
    public double? GtMatch { get; set; }

    /// <summary>Less than this number.</summary>
    [Description("true when the value is a number less than this")]
    public double? LtMatch { get; set; }

    /// <summary>Whether to act when no test is true.</summary>
    [Description("on: act when none of the tests is true")]
    public bool Invert { get; set; }

    /// <summary>The score, added each time.</summary>
    [Description("the score to add each time")]
    public UserOption<double?> Score { get; set; } = new(null);

    /// <summary>The action.</summary>
    [Description("the action to return"), Places]
    public UserOption<ActionTemplate?> Action { get; set; } = new(null);

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Match is null && ReMatch is null && GtMatch is null && LtMatch is null)
        {
            setup.Warning("key", "there is no test; set match, re_match, gt_match or lt_match");
        }

        if (ReMatch is { Text.Length: 0 })
        {
            setup.Warning("re_match", "an empty expression matches every value; write .* if that is meant, or match = \"\" for no value");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (Key.Read(context) is not { } value)
        {
            if (Logs(context))
            {
                Log(context, $"{Key} is not set; nothing to test");
            }

            context.Note<string?>(Key.Text, null, "not set");
            return default;
        }

        if (IsTrue(context, value) == Invert)
        {
            return default;
        }

        if (Logs(context))
        {
            Log(context, $"{Key} matched with value {value}");
        }

        if (Score.For(context) is { } score)
        {
            context.AddScore(Name, score);
        }

        return Modules.Match.RunAsync(context, Action, Plugins);
    }

    private bool IsTrue(PluginContext context, string value) =>
        Match is not null && Noted(context, value, Match, value == Match, "equal")
        || ReMatch is not null && Noted(context, value, ReMatch.Text, ReMatch.IsMatch(value), "match")
        || GtMatch is { } more && Noted(context, value, more, PerlNumber.Parse(value) > more, "greater")
        || LtMatch is { } less && Noted(context, value, less, PerlNumber.Parse(value) < less, "less");

    private bool Noted<T>(PluginContext context, string value, T comparedWith, bool isTrue, string how)
    {
        context.Note(Key.Text, value, comparedWith, isTrue ? how : "no match");
        return isTrue;
    }
}
