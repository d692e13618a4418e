namespace Policyd.Plugins.Threads;

/// <summary>
/// The threads that answer requests, as far as code that may block them runs there: one fewer than there are processors, and at least one,
/// so that such code can never hold them all.
/// </summary>
internal static class InlineTurns
{
    private static readonly Turn[] s_turns = [.. Enumerable.Range(0, Math.Max(1, Environment.ProcessorCount - 1)).Select(_ => new Turn())];

    /// <summary>Begins a turn; null when as many are under way as there may be.</summary>
    public static Turn? Begin(object owner)
    {
        foreach (var turn in s_turns)
        {
            if (turn.TryTake(owner))
            {
                return turn;
            }
        }

        return null;
    }

    /// <summary>How many turns of an owner are under way, and how long the longest of them is.</summary>
    public static (int Count, TimeSpan Longest) Of(object owner)
    {
        var (count, longest) = (0, 0L);
        foreach (var turn in s_turns)
        {
            if (turn.IsOf(owner))
            {
                (count, longest) = (count + 1, Math.Max(longest, turn.Milliseconds));
            }
        }

        return (count, TimeSpan.FromMilliseconds(longest));
    }

    /// <summary>A turn that is under way, or could be.</summary>
    public sealed class Turn
    {
        private object? _owner;
        private long _since;

        /// <summary>How long it is.</summary>
        public long Milliseconds => Environment.TickCount64 - Volatile.Read(ref _since);

        public bool IsOf(object owner) => ReferenceEquals(Volatile.Read(ref _owner), owner);

        public bool TryTake(object owner)
        {
            if (Volatile.Read(ref _owner) is not null || Interlocked.CompareExchange(ref _owner, owner, null) is not null)
            {
                return false;
            }

            Volatile.Write(ref _since, Environment.TickCount64);
            return true;
        }

        /// <summary>It is over.</summary>
        /// <returns>How long it was, in milliseconds.</returns>
        public long End()
        {
            var milliseconds = Milliseconds;
            Volatile.Write(ref _owner, null);
            return milliseconds;
        }
    }
}
