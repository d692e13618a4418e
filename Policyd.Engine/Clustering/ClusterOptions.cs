using System.ComponentModel;
using Policyd.Configuration.Options;

namespace Policyd.Engine.Clustering;

/// <summary>
/// The options of <c>policyd { cluster { } }</c>: their presence makes this server a node of a cluster that counts together.
/// </summary>
public sealed class ClusterOptions
{
    /// <summary>The shortest time for each of the two waits.</summary>
    public static readonly TimeSpan ShortestWait = TimeSpan.FromSeconds(1);

    /// <summary>The longest time for each of the two waits.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    /// <summary>Where this node listens for the others.</summary>
    [Description("where this node listens for the other nodes: ADDRESS:PORT or [V6]:PORT")]
    public required NodeAddress Listen { get; set; }

    /// <summary>Where the others reach this node; null: at <see cref="Listen"/>.</summary>
    [Description("where the other nodes reach this one: HOST:PORT; default: listen")]
    public NodeAddress? Advertise { get; set; }

    /// <summary>The connection whose database all nodes have in common.</summary>
    [Description("the SQL connection (PostgreSQL or MariaDB) that all nodes have in common; it holds the members and the lease")]
    public required string Db { get; set; }

    /// <summary>The nodes to join; empty: those that the database names.</summary>
    [Description("the addresses of nodes to join; without any, the nodes find each other through the database")]
    public IReadOnlyList<NodeAddress> Seeds { get; set; } = [];

    /// <summary>How the nodes prove that they belong to the cluster; null: they do not.</summary>
    [Description("TLS between the nodes, which both sides check: certificate, key, ca_file, names")]
    public ClusterTlsOptions? Tls { get; set; }

    /// <summary>Whether other hosts may connect without TLS.</summary>
    [Description("on: without tls, listen may be an address that other hosts can reach; whoever can reach it can then join and count")]
    public bool AllowPlaintext { get; set; }

    /// <summary>How long a node may be silent before the others consider it unreachable.</summary>
    [Description("how long a node may be silent before the others consider it unreachable, 1s to 1m")]
    public TimeSpan FailureAfter { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the view of the cluster must be unchanged before unreachable nodes are removed.</summary>
    [Description("how long the set of unreachable nodes must be unchanged before they are removed, 1s to 1m")]
    public TimeSpan DecideAfter { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Where the others reach this node.</summary>
    [NotAnOption]
    public NodeAddress Advertised => Advertise ?? Listen;
}
