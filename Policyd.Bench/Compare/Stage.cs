namespace Policyd.Bench.Compare;

/// <summary>The parts of a comparison, in the order in which they run.</summary>
[Flags]
public enum Stage
{
    None = 0,

    /// <summary>All that the servers can do: rate, latencies, processor time, garbage.</summary>
    Rates = 1,

    /// <summary>The rates that Postfix asks at: processor time of a request while the server mostly waits.</summary>
    Slow = 2,

    /// <summary>Nothing is asked: processor time and memory.</summary>
    Idle = 4,

    /// <summary>From the start of the process to its first answer and to its full speed.</summary>
    Start = 8,

    /// <summary>Memory of each of many connections that have asked once.</summary>
    Connections = 16,

    /// <summary>Memory over many mails.</summary>
    Memory = 32,

    /// <summary>Each request brings keys that nobody has counted by before.</summary>
    NewKeys = 64,

    /// <summary>Many keys beside few: the first seconds with them, and when all have been counted.</summary>
    Keys = 128,

    /// <summary>Memory of the owner of a key.</summary>
    Owners = 256,

    /// <summary>Keys of another node of a cluster beside keys of the node that is asked, and beside a server without a cluster.</summary>
    Cluster = 512,
}
