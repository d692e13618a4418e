namespace Policyd.Server.Hosting;

/// <summary>
/// When a server gives memory back: after periods without a request, and only after the start or many requests. One that is asked once a
/// minute does not collect once a minute.
/// </summary>
internal sealed class QuietSpell
{
    /// <summary>The compiler's memory is free at the third time only.</summary>
    internal const int Times = 3;

    /// <summary>Requests after which there is something to give back.</summary>
    internal const long Many = 10_000;

    private long _seen;
    private long _givenAt = -Many;
    private int _left = Times;

    /// <summary>Asked once a period.</summary>
    /// <param name="requests">All requests since the start.</param>
    /// <param name="inFlight">Those that have no answer yet.</param>
    public bool IsDue(long requests, long inFlight)
    {
        var quiet = requests == _seen && inFlight == 0;
        _seen = requests;
        if (requests - _givenAt >= Many)
        {
            _left = Times;
        }

        if (!quiet || _left == 0)
        {
            return false;
        }

        _left--;
        _givenAt = requests;
        return true;
    }
}
