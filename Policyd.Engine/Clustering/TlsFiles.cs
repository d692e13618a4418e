using Policyd.Engine.Certificates;

namespace Policyd.Engine.Clustering;

/// <summary>The texts of the three files of a node, and the identity that they make.</summary>
internal sealed record TlsFiles(CertificateFiles Own, string Authorities)
{
    /// <summary>Reads the files.</summary>
    /// <param name="options">Where they are.</param>
    /// <param name="problem">Called for each file that cannot be read, with the option's name and a sentence.</param>
    public static TlsFiles? Read(ClusterTlsOptions options, Action<string, string> problem)
    {
        var own = CertificateFiles.Read(options.Certificate, options.Key, problem);
        var authorities = CertificateFiles.Text("ca_file", options.CaFile, problem);
        return own is null || authorities is null ? null : new TlsFiles(own, authorities);
    }

    /// <summary>What they make together.</summary>
    /// <param name="options">Where they are from, for messages.</param>
    /// <param name="problem">Called for each one that is not what it should be.</param>
    public NodeIdentity? ToIdentity(ClusterTlsOptions options, Action<string, string> problem)
    {
        var authorities = CertificateFiles.Certificates("ca_file", options.CaFile, Authorities, problem);
        return Own.Load(options.Certificate, options.Key, problem) is var (own, intermediate) && authorities is not null
            ? new NodeIdentity(own, intermediate, authorities, options.Names)
            : null;
    }
}
