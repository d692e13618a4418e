using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Policyd.Protocol;

/// <summary>
/// One request as Postfix sent it (SMTPD_POLICY_README). Immutable. Attributes are looked up far more often than all of them are
/// read, so it keeps the bytes and where each known value stands in them, and makes a string when somebody asks for it, once.
/// May be read by several threads, for as long as the server answers it: its bytes may be rented, and are then given back.
/// </summary>
public sealed class PolicyRequest
{
    private readonly int _start;
    private readonly int _length;
    private readonly ValueSpans _known;
    private readonly bool _hasOthers;
    private readonly bool _isRented;
    private byte[]? _bytes;
    private int _holders = 1;
    private string? _instance;
    private AttributeText? _texts;

    internal PolicyRequest(ReadOnlyMemory<byte> bytes, in ValueSpans known, bool hasOthers)
    {
        var array = MemoryMarshal.TryGetArray(bytes, out var segment) ? segment : bytes.ToArray();
        (_bytes, _start, _length) = (array.Array, array.Offset, array.Count);
        _known = known;
        _hasOthers = hasOthers;
    }

    internal PolicyRequest(byte[] rented, int length, in ValueSpans known, bool hasOthers)
    {
        (_bytes, _length, _isRented) = (rented, length, true);
        _known = known;
        _hasOthers = hasOthers;
    }

    /// <summary>
    /// The lines as they came, each with its line end, without the empty line that closes them: with one LF more it is the request again.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The request is answered and its bytes are given back.</exception>
    public ReadOnlyMemory<byte> Bytes
    {
        get
        {
            var bytes = Volatile.Read(ref _bytes);
            ObjectDisposedException.ThrowIf(bytes is null, this);
            return bytes.AsMemory(_start, _length);
        }
    }

    /// <summary>How many different attributes there are.</summary>
    public int Count => Attributes.Count();

    /// <summary>
    /// All attributes in the order of arrival; one that came several times stands once, at its first place, with its last value.
    /// </summary>
    public IEnumerable<KeyValuePair<string, string>> Attributes
    {
        get
        {
            var values = new OrderedDictionary<string, string>(StringComparer.Ordinal);
            var lines = new RequestLines(Bytes.Span);
            while (lines.MoveNext())
            {
                var line = lines.Line;
                var equal = line.IndexOf((byte)'=');
                values[Encoding.UTF8.GetString(line[..equal])] = Encoding.UTF8.GetString(line[(equal + 1)..]);
            }

            return values;
        }
    }

    /// <summary>All attributes as bytes, in the same order.</summary>
    public RequestAttributes Utf8Attributes => new(this);

    /// <summary>The type of the request: <c>smtpd_access_policy</c>. Empty when absent, as for every accessor that follows.</summary>
    public string Type => Text(PolicyAttribute.Request);

    /// <inheritdoc cref="PolicyAttribute.ProtocolState"/>
    public string ProtocolState => Text(PolicyAttribute.ProtocolState);

    /// <inheritdoc cref="PolicyAttribute.ProtocolName"/>
    public string ProtocolName => Text(PolicyAttribute.ProtocolName);

    /// <inheritdoc cref="PolicyAttribute.ClientAddress"/>
    public string ClientAddress => Text(PolicyAttribute.ClientAddress);

    /// <inheritdoc cref="PolicyAttribute.ClientName"/>
    public string ClientName => Text(PolicyAttribute.ClientName);

    /// <inheritdoc cref="PolicyAttribute.ClientPort"/>
    public string ClientPort => Text(PolicyAttribute.ClientPort);

    /// <inheritdoc cref="PolicyAttribute.ReverseClientName"/>
    public string ReverseClientName => Text(PolicyAttribute.ReverseClientName);

    /// <inheritdoc cref="PolicyAttribute.ServerAddress"/>
    public string ServerAddress => Text(PolicyAttribute.ServerAddress);

    /// <inheritdoc cref="PolicyAttribute.ServerPort"/>
    public string ServerPort => Text(PolicyAttribute.ServerPort);

    /// <inheritdoc cref="PolicyAttribute.HeloName"/>
    public string HeloName => Text(PolicyAttribute.HeloName);

    /// <inheritdoc cref="PolicyAttribute.Sender"/>
    public string Sender => Text(PolicyAttribute.Sender);

    /// <inheritdoc cref="PolicyAttribute.Recipient"/>
    public string Recipient => Text(PolicyAttribute.Recipient);

    /// <summary>The number of recipients; 0 before DATA, and when absent or not a number.</summary>
    public int RecipientCount => (int)Math.Min(Number(PolicyAttribute.RecipientCount), int.MaxValue);

    /// <inheritdoc cref="PolicyAttribute.QueueId"/>
    public string QueueId => Text(PolicyAttribute.QueueId);

    /// <inheritdoc cref="PolicyAttribute.Instance"/>
    public string Instance => _instance ??= Encoding.UTF8.GetString(Utf8(PolicyAttribute.Instance));

    /// <summary>The size of the mail in bytes; 0 when absent or not a number.</summary>
    public long Size => Number(PolicyAttribute.Size);

    /// <inheritdoc cref="PolicyAttribute.EtrnDomain"/>
    public string EtrnDomain => Text(PolicyAttribute.EtrnDomain);

    /// <inheritdoc cref="PolicyAttribute.Stress"/>
    public string Stress => Text(PolicyAttribute.Stress);

    /// <inheritdoc cref="PolicyAttribute.SaslMethod"/>
    public string SaslMethod => Text(PolicyAttribute.SaslMethod);

    /// <inheritdoc cref="PolicyAttribute.SaslUsername"/>
    public string SaslUsername => Text(PolicyAttribute.SaslUsername);

    /// <inheritdoc cref="PolicyAttribute.SaslSender"/>
    public string SaslSender => Text(PolicyAttribute.SaslSender);

    /// <inheritdoc cref="PolicyAttribute.CcertSubject"/>
    public string CcertSubject => Text(PolicyAttribute.CcertSubject);

    /// <inheritdoc cref="PolicyAttribute.CcertIssuer"/>
    public string CcertIssuer => Text(PolicyAttribute.CcertIssuer);

    /// <inheritdoc cref="PolicyAttribute.CcertFingerprint"/>
    public string CcertFingerprint => Text(PolicyAttribute.CcertFingerprint);

    /// <inheritdoc cref="PolicyAttribute.CcertPubkeyFingerprint"/>
    public string CcertPubkeyFingerprint => Text(PolicyAttribute.CcertPubkeyFingerprint);

    /// <inheritdoc cref="PolicyAttribute.EncryptionProtocol"/>
    public string EncryptionProtocol => Text(PolicyAttribute.EncryptionProtocol);

    /// <inheritdoc cref="PolicyAttribute.EncryptionCipher"/>
    public string EncryptionCipher => Text(PolicyAttribute.EncryptionCipher);

    /// <summary>Bits of the session key; 0 without TLS.</summary>
    public int EncryptionKeysize => (int)Math.Min(Number(PolicyAttribute.EncryptionKeysize), int.MaxValue);

    /// <inheritdoc cref="PolicyAttribute.TlsSni"/>
    public string TlsSni => Text(PolicyAttribute.TlsSni);

    /// <inheritdoc cref="PolicyAttribute.PolicyContext"/>
    public string PolicyContext => Text(PolicyAttribute.PolicyContext);

    /// <inheritdoc cref="PolicyAttribute.CompatibilityLevel"/>
    public string CompatibilityLevel => Text(PolicyAttribute.CompatibilityLevel);

    /// <inheritdoc cref="PolicyAttribute.MailVersion"/>
    public string MailVersion => Text(PolicyAttribute.MailVersion);

    /// <summary>The value of an attribute, also of one that has no name in <see cref="PolicyAttribute"/>; null when absent.</summary>
    public string? this[string name]
    {
        get
        {
            if (PolicyAttributes.TryFind(name, out var known))
            {
                return this[known];
            }

            return _hasOthers && Find(Encoding.UTF8.GetBytes(name)) is { } value ? Encoding.UTF8.GetString(Bytes.Span[value]) : null;
        }
    }

    /// <summary>The value of a known attribute; null when absent. Bytes that are not UTF-8 become U+FFFD.</summary>
    public string? this[PolicyAttribute attribute]
    {
        get
        {
            for (var text = Volatile.Read(ref _texts); text is not null; text = text.Next)
            {
                if (text.Attribute == attribute)
                {
                    return text.Value;
                }
            }

            if (!Has(attribute))
            {
                return null;
            }

            // Two threads may both make a string, and one of the two is not kept: it is made again when it is asked for.
            var made = new AttributeText(attribute, Encoding.UTF8.GetString(Utf8(attribute)), _texts);
            Volatile.Write(ref _texts, made);
            return made.Value;
        }
    }

    /// <summary>True when the attribute was sent, even with an empty value.</summary>
    public bool Has(PolicyAttribute attribute) => RangeOf(attribute) is not null;

    /// <summary>The bytes of a value as they came; empty when absent.</summary>
    public ReadOnlySpan<byte> Utf8(PolicyAttribute attribute)
    {
        return RangeOf(attribute) is { } range ? Bytes.Span[range] : default;
    }

    /// <summary>
    /// One more reads the request, for as long as it likes, and then calls <see cref="Return"/>: the log, whose own thread makes the line.
    /// </summary>
    internal void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>
    /// One of those who read the request does so no more. The last of them gives rented bytes back; harmless when they are not rented.
    /// Whoever reads the request without being one of them then reads the bytes of another.
    /// </summary>
    internal void Return()
    {
        if (Interlocked.Decrement(ref _holders) == 0 && _isRented && Interlocked.Exchange(ref _bytes, null) is { } rented)
        {
            FramePool.Return(rented);
        }
    }

    private string Text(PolicyAttribute attribute) => this[attribute] ?? string.Empty;

    private long Number(PolicyAttribute attribute)
    {
        var text = Utf8(attribute);
        return Utf8Parser.TryParse(text, out long number, out var read) && read == text.Length && number > 0 ? number : 0;
    }

    // In a request that is too long for the short index the names are looked for as those are that have no index.
    private Range? RangeOf(PolicyAttribute attribute)
    {
        if (!ValueSpan.Fits(_length))
        {
            return Find(Encoding.ASCII.GetBytes(PolicyAttributes.NameOf(attribute)));
        }

        var value = _known[(int)attribute];
        return value.IsPresent ? value.Start..(value.Start + value.Length) : null;
    }

    private Range? Find(ReadOnlySpan<byte> name)
    {
        Range? found = null;
        if (name.Contains((byte)'='))
        {
            return null;   // a name ends at its first '=': "x=1" is not in the line "x=1=2"
        }

        var lines = new RequestLines(Bytes.Span);
        while (lines.MoveNext())
        {
            var line = lines.Line;
            if (line.Length > name.Length && line[name.Length] == '=' && line.StartsWith(name))
            {
                found = (lines.Start + name.Length + 1)..(lines.Start + lines.Length);
            }
        }

        return found;
    }

    /// <summary>Where a value stands in the bytes. The default says: not there.</summary>
    internal readonly record struct ValueSpan(ushort Start, ushort Length)
    {
        // No value can begin at 0: a name of at least one byte and its '=' come first.
        public bool IsPresent => Start > 0;

        /// <summary>Whether places in so many bytes can be told.</summary>
        public static bool Fits(int bytes) => bytes <= ushort.MaxValue;
    }

    /// <summary>A place for each attribute, in the request itself: an array for each request would be garbage.</summary>
    [InlineArray((int)PolicyAttribute.MailVersion + 1)]
    internal struct ValueSpans
    {
        private ValueSpan _first;
    }

    // Few attributes of a request are asked for as strings, so a list is shorter than a table for all.
    private sealed record AttributeText(PolicyAttribute Attribute, string Value, AttributeText? Next);
}
