using System.Diagnostics;

namespace Policyd.Actors.Counters;

/// <summary>
/// How often another node is sent a message. A message between nodes costs far more than an operation in it. So after some that go out at
/// once, messages follow each other at a pace, and what comes meanwhile gathers: a node that is asked a few times in a millisecond waits
/// for nothing, and one that is asked all the time gets fewer and larger messages.
/// </summary>
internal struct MessagePace
{
    // Without a pace, 64 connections that ask as fast as they are answered made more than four: one for each two or three operations.
    private const double EachMillisecond = 2;
    private const double AtOnce = 8;

    private double _allowed = AtOnce;
    private long _at;

    /// <param name="now">The present time, as <see cref="Stopwatch.GetTimestamp"/> tells it.</param>
    public MessagePace(long now) => _at = now;

    /// <summary>Whether a message may go out now; it is then counted.</summary>
    /// <param name="now">The present time.</param>
    public bool TrySend(long now)
    {
        _allowed = Math.Min(AtOnce, _allowed + (Stopwatch.GetElapsedTime(_at, now).TotalMilliseconds * EachMillisecond));
        _at = now;
        if (_allowed < 1)
        {
            return false;
        }

        _allowed--;
        return true;
    }
}
