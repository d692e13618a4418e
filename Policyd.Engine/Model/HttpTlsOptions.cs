using System.ComponentModel;

namespace Policyd.Engine.Model;

/// <summary>The options of <c>http { tls { } }</c>.</summary>
public sealed class HttpTlsOptions
{
    /// <summary>The file of the certificate.</summary>
    [Description("the PEM file with the certificate, and behind it those of intermediate authorities")]
    public required string Certificate { get; set; }

    /// <summary>The file of its key.</summary>
    [Description("the PEM file with the certificate's private key, without a password")]
    public required string Key { get; set; }
}
