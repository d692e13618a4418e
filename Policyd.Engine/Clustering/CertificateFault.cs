namespace Policyd.Engine.Clustering;

/// <summary>Why a node with this certificate is refused.</summary>
/// <param name="Message">What is wrong, as the rest of a sentence about the certificate.</param>
/// <param name="IsOfTime">Whether it was right at another time: renewed files mend it without a change of the configuration.</param>
public sealed record CertificateFault(string Message, bool IsOfTime = false);
