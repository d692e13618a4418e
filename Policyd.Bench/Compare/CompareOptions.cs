using Policyd.Bench.Databases;
using Policyd.Bench.Load;

namespace Policyd.Bench.Compare;

/// <summary>What a comparison does and how long each part of it takes.</summary>
public sealed record CompareOptions
{
    public required Stage Stages { get; init; }

    /// <summary>
    /// The requests; end point and length are set for each window, and servers that are not ours may answer as they like.
    /// </summary>
    public required LoadOptions Load { get; init; }

    /// <summary>Windows of each server in the stage of the rates.</summary>
    public int Rounds { get; init; } = 9;

    /// <summary>Length of a window.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Load before each window, not counted: connections are opened, and caches still hold what the last server used.</summary>
    public TimeSpan LeadIn { get; init; } = TimeSpan.FromSeconds(0.3);

    /// <summary>The most windows that a server warms up for when its rate does not become steady.</summary>
    public int WarmupWindows { get; init; } = 20;

    public TimeSpan SlowWindow { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan IdleTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>From the first answer until idle time is measured: what the start has put off is done by then.</summary>
    public TimeSpan IdleSettling { get; init; } = TimeSpan.FromSeconds(10);

    public int Starts { get; init; } = 3;

    public TimeSpan StartTime { get; init; } = TimeSpan.FromSeconds(15);

    public int IdleConnections { get; init; } = 10_000;

    public long Mails { get; init; } = 1_000_000;

    /// <summary>How many keys are held against those of <see cref="Load"/>.</summary>
    public int ManyKeys { get; init; } = 1_000_000;

    /// <summary>The first seconds with <see cref="ManyKeys"/>.</summary>
    public TimeSpan ManyKeysFirst { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Keys whose owners are weighed.</summary>
    public int Owners { get; init; } = 80_000;

    /// <summary>How many nodes a cluster has.</summary>
    public int Nodes { get; init; } = 3;

    /// <summary>Requests a second where the latencies of a cluster are compared.</summary>
    public int PacedRate { get; init; } = 1000;

    /// <summary>Whether they speak TLS with each other.</summary>
    public bool Tls { get; init; }

    /// <summary>The database of a chain that counts.</summary>
    public DatabaseKind Database { get; init; }

    /// <summary>The stage of the memory ends then, however many mails it has asked for.</summary>
    public TimeSpan MemoryLimit { get; init; } = TimeSpan.FromMinutes(5);
}
