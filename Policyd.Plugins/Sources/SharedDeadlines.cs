using System.Collections.Concurrent;

namespace Policyd.Plugins.Sources;

/// <summary>
/// Tokens that are cancelled after a time. All that end within the same twentieth of a second are one token with one timer: a timer for
/// each question that a request asks would be set and taken back a hundred thousand times a second and never ring.
/// </summary>
internal static class SharedDeadlines
{
    /// <summary>How much later than asked for a token may be cancelled, in milliseconds.</summary>
    public const int Coarseness = 50;

    // Where it matters that a deadline is kept to a few milliseconds there is not much of it.
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(20 * Coarseness);
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);
    private static readonly ConcurrentDictionary<long, Lazy<CancellationToken>> s_tokens = new();

    /// <summary>Whether a deadline may be shared: a time that no test drives, and long enough that its end need not be exact.</summary>
    public static bool Fit(TimeSpan time, TimeProvider clock) => clock == TimeProvider.System && time >= s_shortest && time <= s_longest;

    /// <summary>A token that is cancelled when the time is over: never before, and at most <see cref="Coarseness"/> later.</summary>
    public static CancellationToken After(TimeSpan time)
    {
        var slot = ((Environment.TickCount64 + (long)time.TotalMilliseconds) / Coarseness) + 1;
        return s_tokens.GetOrAdd(slot, static slot => new Lazy<CancellationToken>(() => NewToken(slot))).Value;
    }

    private static CancellationToken NewToken(long slot)
    {
        var source = new CancellationTokenSource();
        source.Token.UnsafeRegister(static slot => s_tokens.TryRemove((long)slot!, out _), slot);
        source.CancelAfter(TimeSpan.FromMilliseconds(Math.Max(0, (slot * Coarseness) - Environment.TickCount64)));
        return source.Token;
    }
}
