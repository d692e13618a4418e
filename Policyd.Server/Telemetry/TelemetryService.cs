using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Policyd.Actors.Network;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Plugins.Metrics;
using Policyd.Server.History;
using Policyd.Server.Logging;

namespace Policyd.Server.Telemetry;

/// <summary>
/// OpenTelemetry over the instruments of all rooms: what is scraped at <c>/metrics</c>, and what is sent to a collector. Only the
/// configuration says what is sent where; the variables of OpenTelemetry have no effect.
/// </summary>
internal sealed class TelemetryService : IHostedLifecycleService, IDisposable
{
    private const int ExportMilliseconds = 10_000;
    private const int MostSpansWaiting = 2048;
    private const int SpansEachExport = 512;
    private const int BetweenSpanExports = 5_000;

    private readonly ServerGauges _gauges;
    private readonly RequestMetrics _requests = new();
    private readonly TracerProvider? _traces;
    private readonly List<IDisposable> _listening = [];

    public TelemetryService(
        ServerOptions options, IPolicyServerHandle server, DecisionHistory history, LogQueue log, ILogger logger)
    {
        var troubles = new CollectorTroubles(logger);
        Metrics = MetricsOf(options, troubles);
        _gauges = new ServerGauges(server, history, log);
        _listening.Add(server.Decisions.Listen(_requests));
        if (options.Otlp is { Traces: > 0 } otlp)
        {
            _traces = TracesOf(otlp, troubles);
            _listening.Add(server.Decisions.Listen(new RequestTraces()));
        }
    }

    public MeterProvider Metrics { get; }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What the collector has not got yet is sent, for a short time: a collector that is away holds up no stop.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            _traces?.Shutdown(timeoutMilliseconds: 1000);
            Metrics.Shutdown(timeoutMilliseconds: 1000);
        },
        cancellationToken);

    public void Dispose()
    {
        _listening.ForEach(static one => one.Dispose());
        _requests.Dispose();
        _gauges.Dispose();
        _traces?.Dispose();
        Metrics.Dispose();
    }

    private static MeterProvider MetricsOf(ServerOptions options, CollectorTroubles troubles)
    {
        var builder = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(Resource()).AddMeter(PolicydMeter.Name, PolicydMeter.Name + ".*");
        if (options.Http is not null)
        {
            builder.AddPrometheusExporter(static scraped =>
            {
                scraped.ScopeInfoEnabled = false;
                scraped.TargetInfoEnabled = false;
                scraped.MaxScrapeResponseSizeBytes = 16 * 1024 * 1024;
                scraped.ScrapeResponseTimeoutMilliseconds = 10_000;
            });
        }

        if (options.Otlp is { } otlp)
        {
            builder.AddReader(new PeriodicExportingMetricReader(
                new MetricsPush(Collector(otlp, "v1/metrics"), troubles), (int)otlp.Interval.TotalMilliseconds, ExportMilliseconds));
        }

        return builder.Build();
    }

    private static TracerProvider TracesOf(OtlpOptions otlp, CollectorTroubles troubles) => Sdk.CreateTracerProviderBuilder()
        .SetResourceBuilder(Resource())
        .AddSource(PolicydMeter.Name)
        .SetSampler(new TraceIdRatioBasedSampler(otlp.Traces))
        .AddProcessor(new BatchActivityExportProcessor(
            new TracesPush(Collector(otlp, "v1/traces"), troubles),
            MostSpansWaiting,
            BetweenSpanExports,
            ExportMilliseconds,
            SpansEachExport))
        .Build();

    private static ResourceBuilder Resource() => ResourceBuilder.CreateEmpty().AddService(
        "policyd", serviceVersion: ServerVersion.Text, autoGenerateServiceInstanceId: false, serviceInstanceId: Environment.MachineName);

    private static OtlpExporterOptions Collector(OtlpOptions otlp, string path) => new()
    {
        Endpoint = otlp.UrlOf(path),
        Protocol = OtlpExportProtocol.HttpProtobuf,
        Headers = "",
        TimeoutMilliseconds = ExportMilliseconds,
    };
}
