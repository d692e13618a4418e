using System.ComponentModel;

namespace Policyd.Engine.Clustering;

/// <summary>
/// The options of <c>cluster { tls { } }</c>: how nodes prove to each other that they belong to the cluster. All are required: a default
/// for <see cref="Names"/> would let in peers of which the operator did not think.
/// </summary>
public sealed class ClusterTlsOptions
{
    /// <summary>The file of this node's certificate.</summary>
    [Description("the PEM file with this node's certificate, and behind it those of intermediate authorities")]
    public required string Certificate { get; set; }

    /// <summary>The file of its key.</summary>
    [Description("the PEM file with the certificate's private key, without a password")]
    public required string Key { get; set; }

    /// <summary>The file of the authorities.</summary>
    [Description("the PEM file with the authorities that issue the nodes' certificates; the system's authorities are not used")]
    public required string CaFile { get; set; }

    /// <summary>The names that peers may have.</summary>
    [Description("the names that a node's certificate may have: host names, with * within a label, and addresses")]
    public required IReadOnlyList<NamePattern> Names { get; set; }
}
