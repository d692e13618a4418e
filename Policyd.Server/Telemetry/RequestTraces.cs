using System.Diagnostics;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Plugins.Metrics;

namespace Policyd.Server.Telemetry;

/// <summary>
/// A span for each request that the sampler takes, with a span for each run of a plugin under it. They are made when the request is
/// answered, from its record; a request itself knows nothing of them. They name no person, address or key, as the metrics do not.
/// </summary>
internal sealed class RequestTraces : IDecisionListener
{
    public DecisionDepth Depth => DecisionDepth.Steps;

    public void Decided(RequestRecord record)
    {
        var end = record.Trail!.Time;
        var begin = end - record.Elapsed;
        using var request = PolicydMeter.Spans.StartActivity(
            "request", ActivityKind.Server, parentContext: default, startTime: begin);
        if (request is null)
        {
            return;
        }

        request.SetTag("policyd.virtual_host", record.VirtualHost);
        request.SetTag("policyd.rule", record.Rule);
        if (record.Failure is not null || record.Action is null)
        {
            request.SetStatus(ActivityStatusCode.Error);
        }

        AddPlugins(record, request, begin);
        request.SetEndTime(end.UtcDateTime);
    }

    // The steps are in the order in which they began, those nested in a plugin behind it: a span's parent is the last one less deep.
    private static void AddPlugins(RequestRecord record, Activity request, DateTimeOffset begin)
    {
        var around = new List<ActivityContext> { request.Context };
        foreach (var step in record.Steps)
        {
            around.RemoveRange(step.Depth + 1, around.Count - step.Depth - 1);
            using var span = PolicydMeter.Spans.StartActivity(
                step.Plugin, ActivityKind.Internal, around[^1], startTime: begin + step.Started);
            if (span is null)
            {
                return;
            }

            span.SetTag("policyd.module", step.Module);
            span.SetTag("policyd.outcome", step.Outcome.ToString());
            span.SetStatus(step.Outcome == StepOutcome.Failed ? ActivityStatusCode.Error : ActivityStatusCode.Unset);
            span.SetEndTime((begin + step.Started + step.Elapsed).UtcDateTime);
            around.Add(span.Context);
        }
    }
}
