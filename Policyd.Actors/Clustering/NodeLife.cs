using System.Globalization;

namespace Policyd.Actors.Clustering;

/// <summary>
/// One life of a node's process, from its start until it executes itself anew. Lives that are short make the next one wait before it looks
/// for the cluster, so that a node which is refused again and again neither uses up its processor nor disturbs the others. It listens
/// meanwhile. How many short lives came before is handed on in the environment.
/// </summary>
/// <param name="ShortBefore">How many short lives in a row came before this one.</param>
public sealed record NodeLife(int ShortBefore)
{
    /// <summary>The environment variable that hands <see cref="ShortBefore"/> on.</summary>
    public const string Variable = "POLICYD_SHORT_LIVES";

    // A node that was down for a failure of the network or the database lives longer than this.
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    /// <summary>This process's.</summary>
    public static NodeLife Current { get; } = Of(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Whether this process executed itself: it was a member of a cluster, and its configuration was right.</summary>
    public static bool FollowsAnother { get; } = Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>How long it waits before it looks for the cluster.</summary>
    public TimeSpan Pause => ShortBefore == 0
        ? TimeSpan.Zero
        : TimeSpan.FromTicks((long)Math.Min(s_longestPause.Ticks, s_firstPause.Ticks * Math.Pow(2, ShortBefore - 1)));

    /// <summary>The life that a variable's value tells of.</summary>
    public static NodeLife Of(string? value) =>
        new(int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0);

    /// <summary>The life after this one.</summary>
    /// <param name="lasted">How long this one was, its pause included.</param>
    public NodeLife Next(TimeSpan lasted) => new(lasted - Pause < s_long ? ShortBefore + 1 : 0);
}
