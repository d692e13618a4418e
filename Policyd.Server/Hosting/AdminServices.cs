using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Server.Admin;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.Admin.Counters;
using Policyd.Server.Admin.Cron;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.Admin.Health;
using Policyd.Server.Admin.Reloading;
using Policyd.Server.History;
using Policyd.Server.Logging;
using Policyd.Server.Recording;
using Policyd.Server.Reloading;

namespace Policyd.Server.Hosting;

/// <summary>The admin endpoint and all of its commands. A new command is one line here.</summary>
internal static class AdminServices
{
    /// <summary>What reads the configuration anew, and what it may begin or end: the recording and the history.</summary>
    public static IServiceCollection AddReloader(
        this IServiceCollection services, string path, PolicydLog log, int? level) => services
        .AddSingleton(provider =>
            new RequestRecording(provider.GetRequiredService<IPolicyServerHandle>().Decisions, log.CreateLogger("policyd")))
        .AddSingleton(provider => new DecisionHistory(provider.GetRequiredService<IPolicyServerHandle>(), log.CreateLogger("policyd")))
        .AddHostedService(static provider => provider.GetRequiredService<DecisionHistory>())
        .AddSingleton(provider => new Reloader(
            path,
            provider.GetRequiredService<IPolicyServerHandle>(),
            provider.GetRequiredService<RequestRecording>(),
            provider.GetRequiredService<DecisionHistory>(),
            log,
            level));

    public static IServiceCollection AddAdmin(this IServiceCollection services, AdminOptions options)
    {
        services.AddSingleton<IAdminCommand, ReloadNow>();
        services.AddSingleton<ServerHealth>();
        services.AddSingleton<IAdminCommand, ServerStatus>();
        services.AddSingleton<IAdminCommand, ExplainRequest>();
        services.AddSingleton<IAdminCommand, TraceDecisions>();
        services.AddSingleton(provider => new CounterAdmin(provider.GetRequiredService<IPolicyServerHandle>()));
        services.AddSingleton<IAdminCommand, CounterGet>();
        services.AddSingleton<IAdminCommand, CounterList>();
        services.AddSingleton<IAdminCommand, CounterSet>();
        services.AddSingleton(provider => new CronAdmin(provider.GetRequiredService<IPolicyServerHandle>()));
        services.AddSingleton<IAdminCommand, CronList>();
        services.AddSingleton<IAdminCommand, CronRunNow>();
        services.AddSingleton(provider => new ClusterAdmin(provider.GetRequiredService<IPolicyServerHandle>()));
        services.AddSingleton<IAdminCommand, ClusterShow>();
        services.AddSingleton<IAdminCommand, ClusterStatus>();
        services.AddSingleton<IAdminCommand, ClusterShards>();
        services.AddSingleton<IAdminCommand, ClusterOwner>();
        services.AddSingleton<IAdminCommand, ClusterLeave>();
        services.AddSingleton<IAdminCommand, ClusterDown>();
        services.AddSingleton<IAdminCommand, ClusterDownUnreachable>();
        services.AddSingleton<IAdminCommand, ClusterJoin>();
        return services.AddHostedService(provider => new AdminServer(
            options,
            new AdminLimits(),
            provider.GetServices<IAdminCommand>(),
            provider.GetRequiredService<ILoggerFactory>().CreateLogger("policyd")));
    }
}
