namespace Policyd.Plugins.Threads;

/// <summary>The threads that the code of one plugin is on, and since when.</summary>
internal sealed class ThreadTurns
{
    private readonly List<Turn> _turns = [];

    /// <summary>How many turns are under way, and how long the longest of them is.</summary>
    public (int Count, TimeSpan Longest) State
    {
        get
        {
            lock (_turns)
            {
                var longest = 0L;
                foreach (var turn in _turns)
                {
                    longest = Math.Max(longest, turn.Milliseconds);
                }

                return (_turns.Count, TimeSpan.FromMilliseconds(longest));
            }
        }
    }

    /// <summary>Begins a turn.</summary>
    public Turn Begin()
    {
        var turn = new Turn();
        lock (_turns)
        {
            _turns.Add(turn);
        }

        return turn;
    }

    /// <summary>It is over.</summary>
    /// <returns>How long it was, in milliseconds.</returns>
    public long End(Turn turn)
    {
        lock (_turns)
        {
            _turns.Remove(turn);
        }

        return turn.Milliseconds;
    }

    /// <summary>A turn that is under way.</summary>
    public sealed class Turn
    {
        private readonly long _since = Environment.TickCount64;

        /// <summary>How long it is.</summary>
        public long Milliseconds => Environment.TickCount64 - _since;
    }
}
