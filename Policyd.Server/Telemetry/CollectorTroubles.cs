using System.Diagnostics;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using Policyd.Plugins.Sources;

namespace Policyd.Server.Telemetry;

/// <summary>
/// Tells of a collector that takes nothing: OpenTelemetry itself would drop the data without a word. One line at the first failure, and one
/// an hour while it goes on.
/// </summary>
internal sealed partial class CollectorTroubles(ILogger logger)
{
    private readonly LogThrottle _lines = new(TimeProvider.System, TimeSpan.FromHours(1));

    public ExportResult Told(ExportResult result, string what)
    {
        if (result == ExportResult.Failure && _lines.Enter(out _))
        {
            NotTaken(logger, what);
        }

        return result;
    }

    [LoggerMessage(EventId = 204, Level = LogLevel.Warning, Message = "otlp: the collector does not take {What}; they are dropped")]
    private static partial void NotTaken(ILogger logger, string what);
}

/// <summary>Sends metrics.</summary>
internal sealed class MetricsPush(OtlpExporterOptions collector, CollectorTroubles troubles) : OtlpMetricExporter(collector)
{
    public override ExportResult Export(in Batch<Metric> batch) => troubles.Told(base.Export(batch), "metrics");
}

/// <summary>Sends traces.</summary>
internal sealed class TracesPush(OtlpExporterOptions collector, CollectorTroubles troubles) : OtlpTraceExporter(collector)
{
    public override ExportResult Export(in Batch<Activity> batch) => troubles.Told(base.Export(batch), "traces");
}
