using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Server.Admin.Health;
using Policyd.Server.History;
using Policyd.Server.Http;
using Policyd.Server.Logging;
using Policyd.Server.Telemetry;

namespace Policyd.Server.Hosting;

/// <summary>Metrics, health and traces. A server whose configuration asks for none of them loads no library of theirs.</summary>
internal static class TelemetryServices
{
    public static IServiceCollection AddTelemetry(this IServiceCollection services, ServerOptions options, LogQueue log)
    {
        if (options.Http is not null || options.Otlp is not null)
        {
            Add(services, options, log);
        }

        return services;
    }

    // Never compiled into its caller, which runs in every server.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Add(IServiceCollection services, ServerOptions options, LogQueue log)
    {
        services.AddSingleton(provider => new TelemetryService(
            options,
            provider.GetRequiredService<IPolicyServerHandle>(),
            provider.GetRequiredService<DecisionHistory>(),
            log,
            Logger(provider)));
        services.AddSingleton<IHostedService>(static provider => provider.GetRequiredService<TelemetryService>());
        if (options.Http is { } http)
        {
            services.AddHostedService(provider => new HttpService(
                http,
                new HttpPages(
                    http,
                    provider.GetRequiredService<IPolicyServerHandle>(),
                    provider.GetRequiredService<ServerHealth>(),
                    provider.GetRequiredService<TelemetryService>().Metrics,
                    Logger(provider)),
                Logger(provider)));
        }
    }

    private static ILogger Logger(IServiceProvider provider) => provider.GetRequiredService<ILoggerFactory>().CreateLogger("policyd");
}
