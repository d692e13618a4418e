using System.Diagnostics.Metrics;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Plugins.Metrics;
using Policyd.Protocol;

namespace Policyd.Server.Telemetry;

/// <summary>
/// The metrics of requests and plugins, from the record of each request. Labels are names of the configuration and kinds: nothing that a
/// client sends, or there would be a time series for each.
/// </summary>
internal sealed class RequestMetrics : IDecisionListener
{
    private static readonly Counter<long> s_requests = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.requests", "{request}", "Requests, by virtual host and kind of action.");

    private static readonly Counter<long> s_refusals = PolicydMeter.Shared.CreateCounter<long>(
        "policyd.refusals", "{request}", "Requests that were rejected or deferred, by the rule that decided.");

    private static readonly Histogram<double> s_duration = PolicydMeter.Times(
        "policyd.request.duration", "The time from a request's last byte to its answer.");

    private static readonly Histogram<double> s_pluginDuration = PolicydMeter.Times(
        "policyd.plugin.duration", "The time of one run of a plugin, with the plugins that are nested in it, by outcome.");

    // By the number of the enumeration: the names are made once.
    private static readonly string[] s_kinds = [.. Enum.GetValues<ActionKind>().Select(static kind => Word(kind.ToString()))];
    private static readonly string[] s_outcomes = [.. Enum.GetValues<StepOutcome>().Select(static one => Word(one.ToString()))];

    public DecisionDepth Depth => DecisionDepth.Steps;

    public void Decided(RequestRecord record)
    {
        var host = new KeyValuePair<string, object?>("virtual_host", record.VirtualHost ?? "none");
        s_duration.Record(record.Elapsed.TotalSeconds, host);
        var kind = record.Action is { } action ? ActionGrammar.KindOf(action) : (ActionKind?)null;
        s_requests.Add(1, host, new("action", kind is { } known ? s_kinds[(int)known] : "none"));
        if (kind is { } one && Refusals.Refuses(one))
        {
            s_refusals.Add(1, host, new("rule", record.Rule ?? "none"));
        }

        var steps = record.Steps;
        for (var index = 0; index < steps.Count; index++)
        {
            var step = steps[index];
            s_pluginDuration.Record(
                step.Elapsed.TotalSeconds, host, new("plugin", step.Plugin), new("outcome", s_outcomes[(int)step.Outcome]));
        }
    }

    private static string Word(string name) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
