using Microsoft.Extensions.Logging;

namespace Policyd.Plugins.Dns;

// A zone that does not answer must not cost every mail the whole time-out. After some time-outs in a row only one question is sent in
// each back-off, which doubles while it stays silent. The resolver's lock is around it.
internal sealed class DnsBreaker(string zone, TimeProvider clock, ILogger logger)
{
    public const int TimeOutsToOpen = 5;
    private static readonly TimeSpan s_firstBackOff = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestBackOff = TimeSpan.FromMinutes(1);
    private static readonly Action<ILogger, string, int, double, Exception?> s_opened = LoggerMessage.Define<string, int, double>(
        LogLevel.Warning, new EventId(1, "ZoneSilent"), "dns: {Zone} has not answered {Count} times in a row; it is asked again after {Seconds} s, until then it counts as not answering");
    private static readonly Action<ILogger, string, Exception?> s_closed = LoggerMessage.Define<string>(
        LogLevel.Warning, new EventId(2, "ZoneBack"), "dns: {Zone} answers again");

    private int _timeOuts;
    private bool _probing;
    private long _nextProbe;
    private TimeSpan _backOff = s_firstBackOff;

    public bool IsOpen { get; private set; }

    /// <summary>Whether a question may be sent now.</summary>
    public bool Admits()
    {
        if (!IsOpen)
        {
            return true;
        }

        if (clock.GetTimestamp() < _nextProbe)
        {
            return false;
        }

        _probing = true;
        PutOff();
        return true;
    }

    /// <summary>What became of a question. A failure that the servers told of says nothing about the zone's silence.</summary>
    public void Learn(DnsStatus status)
    {
        if (status is DnsStatus.TimedOut)
        {
            TimedOut();
        }
        else if (status is not DnsStatus.ServerFailure)
        {
            _timeOuts = 0;
            if (IsOpen)
            {
                IsOpen = false;
                _probing = false;
                _backOff = s_firstBackOff;
                s_closed(logger, zone, null);
            }
        }
    }

    private void TimedOut()
    {
        _timeOuts++;
        if (IsOpen && _probing)
        {
            _probing = false;
            _backOff = _backOff * 2 < s_longestBackOff ? _backOff * 2 : s_longestBackOff;
            PutOff();
        }
        else if (!IsOpen && _timeOuts >= TimeOutsToOpen)
        {
            IsOpen = true;
            PutOff();
            s_opened(logger, zone, _timeOuts, _backOff.TotalSeconds, null);
        }
    }

    private void PutOff() => _nextProbe = clock.GetTimestamp() + (long)(_backOff.TotalSeconds * clock.TimestampFrequency);
}
