using Microsoft.Extensions.Logging;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sources;

namespace Policyd.Backends.Dns;

// A zone that does not answer must not cost every mail the whole time-out. After some time-outs in a row one question is sent in each
// pause, which doubles while it stays silent, and none beside it, however long it takes.
internal sealed class DnsBreaker(string zone, TimeProvider clock, ILogger logger)
{
    public const int TimeOutsToOpen = 5;
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly BackOff _backOff = new(clock, s_firstPause, s_longestPause, TimeOutsToOpen);

    /// <summary>Asks for leave to send a question.</summary>
    public BackOff.Attempt Enter() => _backOff.Enter();

    /// <summary>What became of a question. A failure that the servers told of says nothing about the zone's silence.</summary>
    public void Learn(BackOff.Attempt attempt, DnsStatus status)
    {
        if (status is DnsStatus.TimedOut)
        {
            if (attempt.Failed())
            {
                DnsLog.ZoneSilent(logger, zone, TimeOutsToOpen, s_firstPause.TotalSeconds);
            }
        }
        else if (status is not DnsStatus.ServerFailure && attempt.Succeeded())
        {
            DnsLog.ZoneBack(logger, zone);
        }

        attempt.Dispose();
    }
}
