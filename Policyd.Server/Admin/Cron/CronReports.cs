// What the cron commands answer. The names are the JSON's, which scripts read: they may become more, never others.

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Policyd.Actors.Cron;

namespace Policyd.Server.Admin.Cron;

/// <summary>A run of a task.</summary>
/// <param name="Task">The task.</param>
/// <param name="Scheduled">The time that it ran for; null when an operator asked for it.</param>
/// <param name="Started">When it began.</param>
/// <param name="Seconds">How long it took; null while it runs and when it was interrupted.</param>
/// <param name="Result">running, done, failed or interrupted.</param>
/// <param name="Failures">How many plugins failed.</param>
internal sealed record CronRunReport(
    string Task, DateTimeOffset? Scheduled, DateTimeOffset Started, double? Seconds, string Result, int Failures)
{
    public static CronRunReport Of(CronRun run) => new(
        run.Task,
        run.Scheduled?.ToLocalTime(),
        run.Started.ToLocalTime(),
        run.Duration is { } took ? Math.Round(took.TotalSeconds, 3) : null,
        run.Result switch
        {
            CronResult.Running => "running",
            CronResult.Done => "done",
            CronResult.Failed => "failed",
            _ => "interrupted",
        },
        run.Failures);
}

/// <summary>A task: when it runs, its last run and its next.</summary>
internal sealed record CronTaskReport(string Name, string Expression, CronRunReport? Last, DateTimeOffset? Next);

/// <summary>The answer to <c>cron.list</c>.</summary>
internal sealed record CronListReport(IReadOnlyList<CronTaskReport> Tasks);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(CronListReport))]
[JsonSerializable(typeof(CronRunReport))]
internal sealed partial class CronReports : JsonSerializerContext
{
    public static JsonNode ToNode<T>(T report, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        JsonSerializer.SerializeToNode(report, type)!;
}
