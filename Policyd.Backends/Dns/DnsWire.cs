using System.Buffers.Binary;
using System.Net;
using System.Text;
using Policyd.Plugins.Dns;

namespace Policyd.Backends.Dns;

// Messages of RFC 1035 as a stub resolver needs them: one question out, one answer in. Every length of a message that came is
// checked before it is used; what does not fit is a DnsFormatException, never an index out of range.
internal static class DnsWire
{
    public const int HeaderLength = 12;

    /// <summary>What a datagram may hold so that no path fragments it (RFC 9715).</summary>
    public const int DatagramLength = 1232;

    private const byte AuthenticData = 0x20;
    private const int TypeAlias = 5;
    private const int TypeAuthority = 6;
    private const int TypeNameServer = 2;
    private const int ClassInternet = 1;
    private const int MostAliases = 16;
    private const int MostJumps = 64;

    // Of a section. Nobody has so many; each costs an object, and 64 KB have room for six thousand.
    private const int MostRecords = 1000;

    /// <summary>A question with recursion desired; with EDNS (RFC 6891) larger datagrams may come back.</summary>
    public static byte[] Question(ushort id, DnsKey key, bool edns)
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength + 2];
        name = name[..DnsName.Write(key.Name, name)];
        var message = new byte[HeaderLength + name.Length + 4 + (edns ? 11 : 0)];
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        message[2] = 0x01;

        // The AD bit of a question asks for the AD bit of the answer (RFC 6840, section 5.7), which matters for these kinds alone.
        message[3] = edns && key.Type is (DnsRecordType.Tlsa or DnsRecordType.OpenPgpKey) ? AuthenticData : (byte)0;
        message[5] = 1;
        name.CopyTo(message.AsSpan(HeaderLength));
        var at = HeaderLength + name.Length;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(at), (ushort)key.Type);
        message[at + 3] = ClassInternet;
        if (edns)
        {
            message[11] = 1;
            message[at + 6] = 41;
            BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(at + 7), DatagramLength);
        }

        return message;
    }

    /// <summary>
    /// Whether a message is the answer to a question at all: else it is a stray or a forgery, and the right one may still come.
    /// </summary>
    public static bool Answers(ReadOnlySpan<byte> message, ushort id, DnsKey key)
    {
        if (message.Length < HeaderLength || BinaryPrimitives.ReadUInt16BigEndian(message) != id || (message[2] & 0xf8) != 0x80)
        {
            return false;
        }

        var questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        if (questions == 0)
        {
            // Servers that cannot read a question send it back without it.
            return (message[3] & 0x0f) is 1 or 4 or 5;
        }

        try
        {
            var at = HeaderLength;
            return questions == 1 && ReadName(message, ref at).Equals(key.Name, StringComparison.OrdinalIgnoreCase)
                && ReadUInt16(message, ref at) == (int)key.Type && ReadUInt16(message, ref at) == ClassInternet;
        }
        catch (DnsFormatException)
        {
            return false;
        }
    }

    /// <summary>Reads what <see cref="Answers"/> has let pass.</summary>
    /// <exception cref="DnsFormatException">The message is malformed.</exception>
    public static DnsReply Read(ReadOnlySpan<byte> message, DnsKey key)
    {
        if ((message[2] & 0x02) != 0)
        {
            return DnsReply.Truncated;
        }

        var code = message[3] & 0x0f;
        if (code is not (0 or 3))
        {
            return code is 1 or 4 ? DnsReply.NotUnderstood : DnsReply.Failure;
        }

        var at = HeaderLength;
        for (var questions = ReadCount(message, 4); questions > 0; questions--)
        {
            ReadName(message, ref at);
            at += 4;
        }

        var answers = ReadSection(message, ReadCount(message, 6), ref at);
        var ttl = uint.MaxValue;
        var owner = FollowAliases(message, answers, key.Name, ref ttl);
        var records = new List<DnsRecord>();

        // A name that does not exist has no records, whatever the message brings along: a list would else have a listing of it.
        foreach (var record in code == 0 ? answers : [])
        {
            if (record.Type == (int)key.Type && record.Owner.Equals(owner, StringComparison.OrdinalIgnoreCase))
            {
                records.Add(ReadData(message, record, key.Type));
                ttl = Math.Min(ttl, record.Ttl);
            }
        }

        if (records.Count > 0)
        {
            return new DnsReply(
                new DnsAnswer(DnsStatus.Found, records) { IsAuthenticated = (message[3] & AuthenticData) != 0 }, Seconds(ttl));
        }

        var authority = ReadSection(message, ReadCount(message, 8), ref at);
        if (authority.Find(static record => record.Type == TypeAuthority) is not { } start)
        {
            // A server that only points to others knows nothing itself. Without SOA a negative answer is not to be kept (RFC 2308, section
            // 5).
            var points = code == 0 && (message[2] & 0x04) == 0 && authority.Exists(static record => record.Type == TypeNameServer);
            return points ? DnsReply.Failure : new DnsReply(DnsReply.None(code == 3), TimeSpan.Zero);
        }

        return new DnsReply(DnsReply.None(code == 3), Seconds(Math.Min(ttl, Math.Min(start.Ttl, ReadMinimum(message, start)))));
    }

    // A TTL with the highest bit set counts as zero (RFC 2181, section 8).
    private static TimeSpan Seconds(uint ttl) => ttl > int.MaxValue ? TimeSpan.Zero : TimeSpan.FromSeconds(ttl);

    private static string FollowAliases(ReadOnlySpan<byte> message, List<RawRecord> answers, string name, ref uint ttl)
    {
        var owner = name;
        for (var steps = 0; steps < MostAliases; steps++)
        {
            var from = owner;
            if (answers.Find(record => record.Type == TypeAlias
                && record.Owner.Equals(from, StringComparison.OrdinalIgnoreCase)) is not { } alias)
            {
                return owner;
            }

            ttl = Math.Min(ttl, alias.Ttl);
            var at = alias.Start;
            owner = ReadName(message, ref at);
        }

        throw new DnsFormatException("aliases that form a loop");
    }

    private static List<RawRecord> ReadSection(ReadOnlySpan<byte> message, int count, ref int at)
    {
        if (count > MostRecords)
        {
            throw new DnsFormatException("too many records");
        }

        var records = new List<RawRecord>(Math.Min(count, 32));
        for (; count > 0; count--)
        {
            var owner = ReadName(message, ref at);
            var type = ReadUInt16(message, ref at);
            var kind = ReadUInt16(message, ref at);
            var ttl = (uint)((ReadUInt16(message, ref at) << 16) | ReadUInt16(message, ref at));
            var length = ReadUInt16(message, ref at);
            if (at + length > message.Length)
            {
                throw new DnsFormatException("a record that is longer than the message");
            }

            if (kind == ClassInternet)
            {
                records.Add(new RawRecord(owner, type, ttl, at, length));
            }

            at += length;
        }

        return records;
    }

    private static DnsRecord ReadData(ReadOnlySpan<byte> message, RawRecord record, DnsRecordType type)
    {
        var data = message.Slice(record.Start, record.Length);
        var at = record.Start;
        switch (type)
        {
            case DnsRecordType.A when data.Length == 4:
            case DnsRecordType.Aaaa when data.Length == 16:
                return new AddressRecord(new IPAddress(data));
            case DnsRecordType.A or DnsRecordType.Aaaa:
                throw new DnsFormatException("an address of a wrong length");
            case DnsRecordType.ReverseName:
                return new NameRecord(ReadName(message, ref at));
            case DnsRecordType.Mx:
                var preference = ReadUInt16(message, ref at);
                return new MailExchangerRecord(preference, ReadName(message, ref at));
            case DnsRecordType.Txt:
                return new TextRecord(ReadText(data));
            default:
                return new DataRecord(data.ToArray());
        }
    }

    private static string ReadText(ReadOnlySpan<byte> data)
    {
        var text = new StringBuilder(data.Length);
        for (var at = 0; at < data.Length;)
        {
            var length = data[at++];
            if (at + length > data.Length)
            {
                throw new DnsFormatException("a text that is longer than its record");
            }

            text.Append(Encoding.Latin1.GetString(data.Slice(at, length)));
            at += length;
        }

        return text.ToString();
    }

    private static uint ReadMinimum(ReadOnlySpan<byte> message, RawRecord start)
    {
        var at = start.Start;
        ReadName(message, ref at);
        ReadName(message, ref at);
        if (at + 20 > start.Start + start.Length)
        {
            throw new DnsFormatException("a SOA record that is too short");
        }

        return BinaryPrimitives.ReadUInt32BigEndian(message[(at + 16)..]);
    }

    private static int ReadCount(ReadOnlySpan<byte> message, int at) => BinaryPrimitives.ReadUInt16BigEndian(message[at..]);

    private static int ReadUInt16(ReadOnlySpan<byte> message, ref int at)
    {
        if (at + 2 > message.Length)
        {
            throw new DnsFormatException("the message ends within a record");
        }

        at += 2;
        return BinaryPrimitives.ReadUInt16BigEndian(message[(at - 2)..]);
    }

    // Compressed names (RFC 1035, section 4.1.4). A pointer must lead further back than where it stands, so it ends; and a chain of
    // thousands, which a message has room for, is no name of anybody's, but each record of it would walk them all.
    private static string ReadName(ReadOnlySpan<byte> message, ref int at)
    {
        var name = new StringBuilder(64);
        var from = at;
        var before = at;
        var jumps = 0;
        var bytes = 0;
        while (true)
        {
            if (from >= message.Length)
            {
                throw new DnsFormatException("a name that extends beyond the message");
            }

            int length = message[from++];
            if (length == 0)
            {
                break;
            }

            if (length >= 0xc0)
            {
                if (from >= message.Length)
                {
                    throw new DnsFormatException("a name that extends beyond the message");
                }

                var target = ((length & 0x3f) << 8) | message[from++];
                at = jumps == 0 ? from : at;
                if (target >= before || ++jumps > MostJumps)
                {
                    throw new DnsFormatException("a compressed name that points forward or contains too many pointers");
                }

                from = before = target;
                continue;
            }

            bytes += length + 1;
            if (length > DnsName.MaxLabel || from + length > message.Length || bytes > DnsName.MaxLength + 1)
            {
                throw new DnsFormatException("a label or a name that is too long");
            }

            name.Append(name.Length > 0 ? "." : "");
            DnsName.AppendLabel(name, message.Slice(from, length));
            from += length;
        }

        at = jumps == 0 ? from : at;
        return name.ToString();
    }

    private sealed record RawRecord(string Owner, int Type, uint Ttl, int Start, int Length);
}

/// <summary>What an answer is kept under; the name as <see cref="DnsName.TryNormalize"/> gives it.</summary>
internal readonly record struct DnsKey(string Name, DnsRecordType Type);

/// <summary>What came back: the answer and for how long it holds.</summary>
internal sealed record DnsReply(DnsAnswer Answer, TimeSpan TimeToLive)
{
    public static readonly DnsAnswer NoData = new(DnsStatus.NoData, []);
    public static readonly DnsAnswer NoSuchName = new(DnsStatus.NoSuchName, []);
    public static readonly DnsAnswer ServerFailure = new(DnsStatus.ServerFailure, []);
    public static readonly DnsAnswer TimedOut = new(DnsStatus.TimedOut, []);

    /// <summary>The rest is to be had over TCP.</summary>
    public static readonly DnsReply Truncated = new(ServerFailure, TimeSpan.Zero);

    /// <summary>The server does not understand the question: perhaps it does without EDNS.</summary>
    public static readonly DnsReply NotUnderstood = new(ServerFailure, TimeSpan.Zero);

    public static readonly DnsReply Failure = new(ServerFailure, TimeSpan.Zero);

    public static DnsAnswer None(bool noSuchName) => noSuchName ? NoSuchName : NoData;
}

/// <summary>A message that cannot be read.</summary>
internal sealed class DnsFormatException(string message) : Exception(message);
