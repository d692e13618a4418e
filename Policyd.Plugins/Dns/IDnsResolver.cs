using System.Net;

namespace Policyd.Plugins.Dns;

/// <summary>
/// The one resolver of the server, shared by all modules. What is in its cache is answered at once; the same question asked twice at a
/// time is sent once. A failure is an answer, never an exception, and comes within the resolver's own deadline.
/// </summary>
public interface IDnsResolver
{
    /// <summary>
    /// Asks for the records of a name that comes from a stranger, or from his records. Such names have slots and a cache of their own:
    /// however many of them never answer, those of the operator's zones are asked. What finds no slot is answered as
    /// <see cref="DnsStatus.ServerFailure"/>, counted and logged.
    /// </summary>
    /// <param name="name">
    /// The name, fully qualified, with or without a dot at its end; bytes beyond printable ASCII as in a zone file (<c>\DDD</c>). One that
    /// cannot be a name is answered as <see cref="DnsStatus.NoSuchName"/>.
    /// </param>
    /// <param name="type">The kind of record.</param>
    /// <param name="ct">Ends this caller's waiting with <see cref="OperationCanceledException"/>; others that ask the same go on.</param>
    ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, CancellationToken ct);

    /// <summary>The same within what one request may ask: see <see cref="DnsBudget"/>.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The kind of record.</param>
    /// <param name="budget">That of the request for which it is asked.</param>
    /// <param name="ct">Ends this caller's waiting.</param>
    ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, DnsBudget budget, CancellationToken ct) =>
        ResolveAsync(name, type, ct);

    /// <summary>
    /// Asks for a name under a zone that the operator has configured, as all names under a blocklist's domain are. When the zone has not
    /// answered several times in a row, questions to it are answered as <see cref="DnsStatus.TimedOut"/> at once, but for one now and then
    /// that tries whether it is back.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The kind of record.</param>
    /// <param name="zone">What the zone is called: its domain. It comes from the configuration, never from a request; null: the name is a
    /// stranger's.</param>
    /// <param name="ct">Ends this caller's waiting.</param>
    ValueTask<DnsAnswer> ResolveAsync(string name, DnsRecordType type, string? zone, CancellationToken ct) => ResolveAsync(name, type, ct);
}

/// <summary>Kinds of records, by their number on the wire.</summary>
public enum DnsRecordType
{
    /// <summary>An IPv4 address (RFC 1035).</summary>
    A = 1,

    /// <summary>A name for an address (RFC 1035).</summary>
    ReverseName = 12,

    /// <summary>A mail exchanger (RFC 1035).</summary>
    Mx = 15,

    /// <summary>Text (RFC 1035).</summary>
    Txt = 16,

    /// <summary>An IPv6 address (RFC 3596).</summary>
    Aaaa = 28,

    /// <summary>A certificate's association (RFC 6698).</summary>
    Tlsa = 52,

    /// <summary>An OpenPGP key (RFC 7929).</summary>
    OpenPgpKey = 61,
}

/// <summary>What became of a question.</summary>
public enum DnsStatus
{
    /// <summary>There are records.</summary>
    Found,

    /// <summary>The name exists, without records of that kind.</summary>
    NoData,

    /// <summary>The name does not exist (NXDOMAIN).</summary>
    NoSuchName,

    /// <summary>The servers answered that they cannot, or nonsense (SERVFAIL, REFUSED, a malformed message).</summary>
    ServerFailure,

    /// <summary>Nobody answered in time.</summary>
    TimedOut,
}

/// <summary>An answer. Aliases (CNAME) are followed by the server; only records of the asked kind are in it.</summary>
/// <param name="Status">What became of the question.</param>
/// <param name="Records">The records, in the order of the answer; empty unless <see cref="DnsStatus.Found"/>.</param>
public sealed record DnsAnswer(DnsStatus Status, IReadOnlyList<DnsRecord> Records)
{
    /// <summary>Whether asking later may give another answer: nobody knows whether there are records.</summary>
    public bool IsTemporaryFailure => Status is DnsStatus.ServerFailure or DnsStatus.TimedOut;

    /// <summary>
    /// Whether the server says that it has validated the records by DNSSEC (its AD bit); asked of it for <see cref="DnsRecordType.Tlsa"/>
    /// and
    /// <see cref="DnsRecordType.OpenPgpKey"/> only. As trustworthy as the server, and the way to it.
    /// </summary>
    public bool IsAuthenticated { get; init; }
}

/// <summary>A record of an answer.</summary>
public abstract record DnsRecord;

/// <summary>Of an A or AAAA record.</summary>
/// <param name="Address">The address.</param>
public sealed record AddressRecord(IPAddress Address) : DnsRecord;

/// <summary>Of a PTR record.</summary>
/// <param name="Name">The name, without a dot at its end.</param>
public sealed record NameRecord(string Name) : DnsRecord;

/// <summary>Of an MX record.</summary>
/// <param name="Preference">The lower is tried first.</param>
/// <param name="Host">The host, without a dot at its end; empty for a null MX (RFC 7505).</param>
public sealed record MailExchangerRecord(int Preference, string Host) : DnsRecord;

/// <summary>Of a TXT record.</summary>
/// <param name="Text">Its strings joined without a space, each byte a character (ISO 8859-1).</param>
public sealed record TextRecord(string Text) : DnsRecord;

/// <summary>Of any other record: its bytes as they are.</summary>
/// <param name="Data">The RDATA.</param>
public sealed record DataRecord(ReadOnlyMemory<byte> Data) : DnsRecord;
