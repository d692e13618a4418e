using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Plugins.Sources;
using Policyd.Server.Admin.Health;

namespace Policyd.Server.Http;

/// <summary>
/// What is shown: <c>/metrics</c> for Prometheus, <c>/livez</c> for whoever starts the server anew when it hangs, <c>/readyz</c> for
/// whoever sends it mail.
/// </summary>
internal sealed partial class HttpPages(
    HttpOptions options, IPolicyServerHandle server, ServerHealth health, MeterProvider metrics, ILogger logger)
{
    // Half of a request's time-out: a server that needs longer for nothing answers no mail in time.
    private static readonly TimeSpan s_probe = TimeSpan.FromSeconds(10);

    private readonly HttpGuard _guard = new(options);
    private readonly LogThrottle _failures = new(TimeProvider.System);

    /// <summary>Answers every request of an application.</summary>
    public void Map(IApplicationBuilder application)
    {
        application.Use(GuardAsync);
        application.UseOpenTelemetryPrometheusScrapingEndpoint(
            metrics,
            static context => context.Request.Path.Value == "/metrics",
            path: null,
            configureBranchedPipeline: null,
            optionsName: null);
        application.Run(AnswerAsync);
    }

    private async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        var response = context.Response;
        if (_guard.Refusal(context.Request) is { } refusal)
        {
            Refuse(response, refusal);
            return;
        }

        try
        {
            await next(context);
        }
        catch (Exception failure) when (!context.RequestAborted.IsCancellationRequested && !response.HasStarted)
        {
            if (_failures.Enter(out _))
            {
                Failed(logger, context.Request.Path.Value ?? "", failure);
            }

            await AnswerAsync(response, StatusCodes.Status500InternalServerError, "see the log");
        }
    }

    private Task AnswerAsync(HttpContext context) => context.Request.Path.Value switch
    {
        HttpGuard.Alive => LiveAsync(context.Response),
        HttpGuard.Ready => ReadyAsync(context.Response),
        _ => AnswerAsync(context.Response, StatusCodes.Status404NotFound, "there is /metrics, /livez and /readyz"),
    };

    private static void Refuse(HttpResponse response, int status)
    {
        response.StatusCode = status;
        if (status == StatusCodes.Status405MethodNotAllowed)
        {
            response.Headers.Allow = "GET, HEAD";
        }
        else if (status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }
    }

    // While it starts and while it stops, it is alive without answering mail.
    private async Task LiveAsync(HttpResponse response)
    {
        if (server.Started.IsCompletedSuccessfully && !server.IsDraining)
        {
            try
            {
                await server.ProbeAsync(s_probe);
            }
            catch (TimeoutException) when (!server.IsDraining)
            {
                await AnswerAsync(response, StatusCodes.Status503ServiceUnavailable, "a request without plugins is not answered");
                return;
            }
        }

        await AnswerAsync(response, StatusCodes.Status200OK, "alive");
    }

    private async Task ReadyAsync(HttpResponse response)
    {
        var now = await health.AskAsync();
        if (!now.IsReady)
        {
            var why = now.State == "degraded" ? $"in its cluster: {now.Cluster}" : now.State;
            await AnswerAsync(response, StatusCodes.Status503ServiceUnavailable, $"not ready: {why}");
            return;
        }

        await AnswerAsync(
            response, StatusCodes.Status200OK, $"ready{string.Concat(now.Missing.Select(static missing => $"\ndegraded: {missing}"))}");
    }

    private static Task AnswerAsync(HttpResponse response, int status, string text)
    {
        response.StatusCode = status;
        response.Headers.CacheControl = "no-store";
        response.ContentType = "text/plain; charset=utf-8";
        return response.WriteAsync($"{text}\n");
    }

    [LoggerMessage(EventId = 203, Level = LogLevel.Error, Message = "http: {Path} could not be answered")]
    private static partial void Failed(ILogger logger, string path, Exception failure);
}
