using System.ComponentModel;
using Policyd.Plugins.Api;
using Policyd.Plugins.Perl;

namespace Policyd.Modules;

/// <summary>How a score is compared with a threshold.</summary>
public enum ScoreMatch
{
    /// <summary>At or above it.</summary>
    Gt,

    /// <summary>At or below it.</summary>
    Lt,
}

/// <summary>Answers, or runs its chain, when the score is beyond a threshold.</summary>
[Module("ScoreAction")]
[KeepsNothing]
[SideEffects]
public sealed class ScoreActionPlugin : Plugin, INestedChain
{
    /// <summary>The threshold.</summary>
    [Description("the threshold for the score")]
    public required UserOption<double> Threshold { get; set; }

    /// <summary>How it is compared.</summary>
    [Description("gt: act when the score is at or above the threshold; lt: at or below it")]
    public ScoreMatch Match { get; set; }

    /// <summary>The action.</summary>
    [Description("the action to return; %IP%, %SCORE% and %SCORE_DETAIL% are replaced"), Places("IP", "SCORE", "SCORE_DETAIL")]
    public ActionTemplate? Action { get; set; }

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <inheritdoc/>
    public IPluginChain? Plugins { get; set; }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        var score = context.Score(ScoreField);
        var threshold = Threshold.For(context);
        var isBeyond = Match == ScoreMatch.Gt ? score >= threshold : score <= threshold;
        context.Note(ScoreField, score, threshold, isBeyond ? "acts" : "does not act");
        if (!isBeyond)
        {
            return default;
        }

        if (Action is not null)
        {
            return new ValueTask<PluginResult>(PluginResult.Answer(Action.Fill(Place, (context, ScoreField))));
        }

        return Plugins?.RunAsync(context) ?? default;
    }

    private static string? Place(string name, (PluginContext Context, string Field) of) => name switch
    {
        "IP" => of.Context.Request.ClientAddress is { Length: > 0 } address ? address : "unknown",
        "SCORE" => PerlNumber.Format(of.Context.Score(of.Field)),
        "SCORE_DETAIL" => of.Context.ScoreDetail(of.Field) is { Length: > 0 } detail ? ", " + detail : "",
        _ => null,
    };
}

/// <summary>Tells the score in a header of the mail.</summary>
[Module("AddScoreHeader")]
[SideEffects]
public sealed class AddScoreHeaderPlugin : Plugin
{
    private string _done = "";

    /// <summary>From which score on the header says YES.</summary>
    [Description("the header says YES when the score reaches this value")]
    public UserOption<double> SpamScore { get; set; } = new(5);

    /// <summary>The header's name.</summary>
    [Description("the header's name")]
    public string HeaderName { get; set; } = "X-MtScore";

    /// <summary>Which score.</summary>
    [Description("the session key of the score")]
    public string ScoreField { get; set; } = "score";

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        _done = Name + "-tag";
        if (HeaderName.Length == 0 || HeaderName.Any(c => c is <= ' ' or >= '\x7f' or ':'))
        {
            setup.Error("header_name", $"\"{HeaderName}\" is not a valid header name (RFC 5322, section 3.6.8)");
        }
    }

    /// <inheritdoc/>
    public override ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (context.IsAlreadyDone(_done))
        {
            return new ValueTask<PluginResult>(PluginResult.Answer("dunno"));
        }

        var score = context.Score(ScoreField);

        // The names in it are escaped, but the key may come from a database or a shared cache.
        var detail = ActionTemplate.Safe(context.ScoreDetail(ScoreField));
        var limit = SpamScore.For(context);
        var verdict = score >= limit ? "YES" : "NO";
        context.Note(ScoreField, score, limit, verdict);
        var details = detail.Length > 0 ? $" [{detail}]" : "";
        return new ValueTask<PluginResult>(
            PluginResult.Answer($"PREPEND {HeaderName}: {verdict} score={PerlNumber.Format(score)}{details}"));
    }
}
