namespace Policyd.Modules.Addresses;

/// <summary>What mail servers put into the local part of an address, so that one person has many addresses.</summary>
public enum AddressTag
{
    /// <summary>
    /// The signature of a sender's own server: <c>prvs=TAG=user@dom</c> (Bounce Address Tag Validation, draft-levine-smtp-batv).
    /// </summary>
    Batv,

    /// <summary>
    /// The signature of a forwarder, with the address it stands for: <c>SRS0=HASH=TT=dom=user@forwarder</c> (Sender Rewriting Scheme).
    /// </summary>
    Srs,

    /// <summary>What a user puts behind his name: <c>user+shop@dom</c> (RFC 5233).</summary>
    Extension,
}
