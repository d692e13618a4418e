using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Policyd.Actors.Server;
using Policyd.Engine.Model;
using Policyd.Server.Admin;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.Admin.Counters;
using Policyd.Server.Admin.Cron;

namespace Policyd.Server.Hosting;

/// <summary>The admin endpoint and all of its commands. A new command is one line here.</summary>
internal static class AdminServices
{
    public static IServiceCollection AddAdmin(this IServiceCollection services, PolicyServerModel model)
    {
        services.AddSingleton(provider => new CounterAdmin(model, provider.GetRequiredService<IPolicyServerHandle>()));
        services.AddSingleton<IAdminCommand, CounterGet>();
        services.AddSingleton<IAdminCommand, CounterList>();
        services.AddSingleton<IAdminCommand, CounterSet>();
        services.AddSingleton(provider => new CronAdmin(provider.GetRequiredService<IPolicyServerHandle>(), model));
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
            model.Options.Admin,
            new AdminLimits(),
            provider.GetServices<IAdminCommand>(),
            provider.GetRequiredService<ILoggerFactory>().CreateLogger("policyd")));
    }
}
