namespace Policyd.Server.Hosting;

/// <summary>
/// When a server gives memory back: after periods without a request or a new connection, and only after the start, when much was
/// allocated, as by many requests or a reload, or when a library was loaded, as for the cron ledger. One that is asked once a minute does
/// not collect once a minute.
/// </summary>
internal sealed class QuietSpell
{
    /// <summary>The compiler's memory is free at the third time only.</summary>
    internal const int Times = 3;

    /// <summary>Bytes that were allocated after which there is something to give back: those of some thousand requests.</summary>
    internal const long Much = 8 * 1024 * 1024;

    /// <summary>
    /// Periods without another one after a pause longer than <see cref="LongestPause"/>, a minute, unless there was work.
    /// </summary>
    internal const int Rest = 20;

    /// <summary>How long a server may stand still for it every period.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    private long _seen;
    private int _connected;
    private long _givenAt = -Much;
    private int _givenWith;
    private int _left = Times;
    private int _rest;

    /// <summary>Asked once a period.</summary>
    /// <param name="requests">All requests since the start, and what other nodes have asked here.</param>
    /// <param name="inFlight">Those that have no answer yet.</param>
    /// <param name="connections">Open connections: while many come, requests are about to.</param>
    /// <param name="allocated">All bytes that were allocated since the start.</param>
    /// <param name="libraries">Assemblies that are loaded.</param>
    public bool IsDue(long requests, long inFlight, int connections, long allocated, int libraries)
    {
        var quiet = requests == _seen && connections == _connected && inFlight == 0;
        (_seen, _connected) = (requests, connections);
        if (allocated - _givenAt >= Much || libraries > _givenWith)
        {
            _left = Times;
            _rest = 0;
        }

        _rest = Math.Max(0, _rest - 1);
        if (!quiet || _left == 0 || _rest > 0)
        {
            return false;
        }

        _left--;
        (_givenAt, _givenWith) = (allocated, libraries);
        return true;
    }

    /// <summary>How long all threads stood still for it.</summary>
    public void Took(TimeSpan pause)
    {
        if (pause > LongestPause)
        {
            _rest = Rest;
        }
    }
}
