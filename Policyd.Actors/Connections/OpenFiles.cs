using System.Globalization;
using Policyd.Engine.Model;

namespace Policyd.Actors.Connections;

/// <summary>
/// How many descriptors the process may have (RLIMIT_NOFILE; .NET raises the soft limit to the hard one at its start), and what a
/// configuration needs of them. What is left is for connections: those that find none wait to be accepted, and nothing else fails.
/// </summary>
public static class OpenFiles
{
    // Each assembly that is loaded holds two, and the drivers of databases come late; measured: 213 with a counter, 260 with all drivers.
    private const int OfTheRuntime = 240;
    private const int EachListener = 2;
    private const int EachConnection = 6;

    // The libraries of a web server, and its connections.
    private const int OfHttp = 60 + HttpOptions.MostConnections;

    /// <summary>Below this the runtime itself fails before a configuration is read.</summary>
    public const int Least = 150;

    /// <summary>The limit; <see cref="int.MaxValue"/> where there is none, or none can be found out.</summary>
    public static int Limit()
    {
        try
        {
            var line = File.ReadLines("/proc/self/limits")
                .FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal));
            var soft = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(3);
            return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : int.MaxValue;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException)
        {
            return int.MaxValue;
        }
    }

    /// <summary>
    /// What a configuration needs besides the connections of its clients: the runtime, listeners, databases and caches, and a reserve.
    /// </summary>
    /// <param name="model">The configuration.</param>
    public static int NeededBy(PolicyServerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return OfTheRuntime + (EachListener * model.Listeners.Count) + (EachConnection * model.Connections.Count)
            + (model.Options.Http is null ? 0 : OfHttp);
    }

    /// <summary>What an operator is told when the limit is below what a configuration needs; null when it is not.</summary>
    /// <param name="needed">What it needs.</param>
    public static string? Shortage(int needed) => Limit() is var limit && limit >= needed
        ? null
        : $"the limit of open files is {limit}, but this configuration needs {needed} and one more for each connection; "
            + "raise it with LimitNOFILE= in the unit, or with ulimit -n";

    /// <summary>How many connections of clients the limit leaves room for, at least one.</summary>
    /// <param name="model">The configuration.</param>
    public static int RoomFor(PolicyServerModel model) => Math.Max(1, Limit() - NeededBy(model));
}
