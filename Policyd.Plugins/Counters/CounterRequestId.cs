using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Policyd.Protocol;

namespace Policyd.Plugins.Counters;

/// <summary>
/// The id under which a mail is counted. Postfix asks again when a connection broke under a request; the mail must not be counted again.
/// The upper 96 bits name the mail, who counts it and where: two ids that agree in them are one count. The lower 32 name the request
/// of the mail, so that a request which is asked again is told from the same mail's next recipient.
/// </summary>
public static class CounterRequestId
{
    /// <summary>The version of the ids that are written.</summary>
    public const int Version = 2;

    /// <summary>Two ids are one count when the same plugin counts the same mail under the same key.</summary>
    public static IEqualityComparer<UInt128> SameCount { get; } = new CountComparer();

    /// <summary>The id of a request's count (version 2); null where no mail is named.</summary>
    /// <param name="mail">The mail. As the key of the hash it is unknown to a sender, who therefore cannot choose two counters
    /// under which one mail has the same id.</param>
    /// <param name="part">The <see cref="PartOf"/> the request.</param>
    /// <param name="plugin">The name of the plugin that counts.</param>
    /// <param name="key">The counter.</param>
    public static UInt128? Of(MailId mail, uint part, string plugin, CounterKey key)
    {
        if (mail.IsNone)
        {
            return null;
        }

        var hash = new SipHash128(mail.Value, stackalloc byte[SipHash128.BufferSize]);
        hash.Append(plugin);
        hash.Append(0);
        hash.Append(key.Table);
        hash.Append(0);
        hash.Append(key.Key);
        return (hash.Finish() & ~(UInt128)uint.MaxValue) | part;
    }

    /// <summary>The id as servers before version 2 made it: by SHA-256, with one call into OpenSSL for each.</summary>
    /// <param name="instance">The request's <c>instance</c>; not empty.</param>
    /// <param name="part">The <see cref="PartOf"/> the request.</param>
    /// <param name="plugin">The name of the plugin that counts.</param>
    /// <param name="key">The counter.</param>
    public static UInt128 OfVersion1(string instance, uint part, string plugin, CounterKey key)
    {
        var text = $"{instance}\0{plugin}\0{key.Table}\0{key.Key}";
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        var most = Encoding.UTF8.GetMaxByteCount(text.Length);
        var utf8 = most <= 1024 ? stackalloc byte[1024] : new byte[most];
        SHA256.HashData(utf8[..Encoding.UTF8.GetBytes(text, utf8)], hash);
        return (BinaryPrimitives.ReadUInt128BigEndian(hash) & ~(UInt128)uint.MaxValue) | part;
    }

    /// <summary>
    /// What tells the requests of a mail apart: a hash of protocol state and recipient, the same in both versions.
    /// It outlives this process in the database.
    /// </summary>
    /// <param name="request">The request.</param>
    public static uint PartOf(PolicyRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var hash = Fnv1a.Add(Fnv1a.Start, request.Utf8(PolicyAttribute.ProtocolState));
        return Fnv1a.Add(hash, request.Utf8(PolicyAttribute.Recipient));
    }

    private sealed class CountComparer : IEqualityComparer<UInt128>
    {
        public bool Equals(UInt128 x, UInt128 y) => (x ^ y) >> 32 == 0;

        public int GetHashCode(UInt128 id) => (int)(uint)(id >> 64);
    }
}
