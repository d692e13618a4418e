// What `policyd explain` answers. The names are the JSON's, which scripts read: they may become more, never others.

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Policyd.Engine.Decisions;
using Policyd.Engine.Explaining;

namespace Policyd.Server.Admin.Decisions;

/// <summary>What a plugin read, what it compared that with, and the result.</summary>
internal sealed record FactReport(string Name, string? Value, string? ComparedWith, string? Result);

/// <summary>One run of one plugin. A list of them has the plugins nested in one behind it, with a greater depth.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Module">Its module.</param>
/// <param name="Depth">How many plugins it is nested in.</param>
/// <param name="Outcome">nothing, answered, added, aborted, failed, observed or not_run.</param>
/// <param name="Actions">Its actions.</param>
/// <param name="Error">Why it failed.</param>
/// <param name="StartedMs">Milliseconds from the first plugin's begin to its own.</param>
/// <param name="ElapsedMs">Milliseconds that it took, with the plugins nested in it.</param>
/// <param name="Facts">What it read and concluded.</param>
internal sealed record PluginReport(
    string Name,
    string Module,
    int Depth,
    string Outcome,
    IReadOnlyList<string> Actions,
    string? Error,
    double StartedMs,
    double ElapsedMs,
    IReadOnlyList<FactReport> Facts)
{
    public static IReadOnlyList<PluginReport> Of(IReadOnlyList<DecisionStep> steps) => [.. steps.Select(Of)];

    private static PluginReport Of(DecisionStep step) => new(
        step.Plugin,
        step.Module,
        step.Depth,
        JsonNamingPolicy.SnakeCaseLower.ConvertName(step.Outcome.ToString()),
        step.Actions,
        step.Failure,
        Math.Round(step.Started.TotalMilliseconds, 3),
        Math.Round(step.Elapsed.TotalMilliseconds, 3),
        [.. step.Facts.Select(static fact => new FactReport(fact.Name, fact.Value, fact.ComparedWith, fact.Result))]);
}

/// <summary>What would become of a request.</summary>
/// <param name="VirtualHost">The virtual host.</param>
/// <param name="Action">The action; null: the connection would be closed without an answer.</param>
/// <param name="Rule">The plugin whose action it is, or that failed.</param>
/// <param name="Observed">What those that are observed would answer.</param>
/// <param name="Error">The first failure.</param>
/// <param name="ElapsedMs">Milliseconds.</param>
/// <param name="Plugins">What each plugin did.</param>
internal sealed record ExplainReport(
    string VirtualHost,
    string? Action,
    string? Rule,
    string? Observed,
    string? Error,
    double ElapsedMs,
    IReadOnlyList<PluginReport> Plugins)
{
    public static ExplainReport Of(Explanation explanation) => new(
        explanation.VirtualHost,
        explanation.Outcome.Action,
        explanation.Rule,
        explanation.Outcome.Observed,
        explanation.Outcome.Failure,
        Math.Round(explanation.Elapsed.TotalMilliseconds, 3),
        PluginReport.Of(explanation.Steps));
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ExplainReport))]
internal sealed partial class DecisionReports : JsonSerializerContext
{
    public static JsonNode ToNode(ExplainReport report) => JsonSerializer.SerializeToNode(report, Default.ExplainReport)!;
}
