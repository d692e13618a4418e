using Microsoft.Extensions.Logging;
using Policyd.Engine.Model;
using Policyd.Engine.Replaying;
using Policyd.Plugins.Counters;

namespace Policyd.Engine.Building;

/// <summary>What surrounds a model on which recorded requests are tried: nothing that they do is seen outside of it.</summary>
public static class ReplayEnvironment
{
    /// <summary>Makes the environment of one model.</summary>
    /// <param name="clock">The time of the requests.</param>
    /// <param name="loggers">Where the plugins log.</param>
    /// <param name="counters">Counters of the replay's own.</param>
    /// <param name="isOffline">Whether lookups are answered as if nobody could be reached; else DNS, SQL and LDAP are asked.</param>
    public static ModelEnvironment Create(ReplayClock clock, ILoggerFactory loggers, ICounters counters, bool isOffline) => new()
    {
        Clock = clock,
        OnlyReads = true,
        LoggerFactory = loggers,
        Counters = counters,
        Dns = isOffline ? new OfflineResolver() : null,
        Replay = new ReplayParts(new PretendedStores(clock), new PretendedVerifiers(), new PretendedFail2Ban(), isOffline),
    };
}
