using System.Globalization;
using System.Net;
using System.Text;
using Policyd.Backends.Dns;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Dns;

namespace Policyd.Fuzz.Targets;

/// <summary>DNS messages read plainly, by RFC 1035: all sections first, then the answer is looked for.</summary>
internal static class PlainDnsReader
{
    private const int MostRecords = 1000;
    private const int MostAliases = 16;
    private const int MostJumps = 64;

    public static bool Answers(byte[] message, ushort id, DnsKey key)
    {
        if (message.Length < 12 || new Cursor(message).Big16() != id || message[2] >> 3 != 0x10)
        {
            return false;
        }

        var questions = new Cursor(message, 4).Big16();
        if (questions == 0)
        {
            return (message[3] & 15) is 1 or 4 or 5;
        }

        try
        {
            var cursor = new Cursor(message, 12);
            return questions == 1 && IsSame(Name(cursor), key.Name) && cursor.Big16() == (int)key.Type && cursor.Big16() == 1;
        }
        catch (MalformedException)
        {
            return false;
        }
    }

    public static (string Name, int Type) Question(byte[] message)
    {
        try
        {
            var cursor = new Cursor(message, 12);
            return (Name(cursor), cursor.Big16());
        }
        catch (MalformedException)
        {
            return ("", 0);
        }
    }

    /// <summary>The answer as text; null when the message is malformed.</summary>
    public static string? Describe(byte[] message, DnsKey key)
    {
        try
        {
            return Answer(message, key);
        }
        catch (MalformedException)
        {
            return null;
        }
    }

    public static string Describe(DnsAnswer answer, TimeSpan ttl) =>
        Text(answer.Status, answer.IsAuthenticated, (long)ttl.TotalSeconds, answer.Records.Select(Of));

    private static string Text(DnsStatus status, bool isAuthenticated, long ttl, IEnumerable<string> records) =>
        string.Create(CultureInfo.InvariantCulture, $"{status} {isAuthenticated} {ttl}\n{string.Join('\n', records)}");

    private static string Answer(byte[] message, DnsKey key)
    {
        var code = message[3] & 15;
        if ((message[2] & 2) != 0 || code is not (0 or 3))
        {
            return Text(DnsStatus.ServerFailure, false, 0, []);
        }

        var cursor = new Cursor(message, 12);
        for (var questions = new Cursor(message, 4).Big16(); questions > 0; questions--)
        {
            Name(cursor);
            cursor.At += 4;
        }

        var answers = Section(cursor, new Cursor(message, 6).Big16());
        var ttls = new List<long>();
        var owner = Owner(message, answers, key.Name, ttls);
        var matching = answers.Where(record => record.Type == (int)key.Type && IsSame(record.Owner, owner)).ToList();
        if (code == 0 && matching.Count > 0)
        {
            ttls.AddRange(matching.Select(static record => record.Ttl));
            return Text(DnsStatus.Found, (message[3] & 0x20) != 0, Capped(ttls.Min()),
                [.. matching.Select(record => Data(message, record))]);
        }

        var authority = Section(cursor, new Cursor(message, 8).Big16());
        var status = code == 3 ? DnsStatus.NoSuchName : DnsStatus.NoData;
        if (authority.FirstOrDefault(static record => record.Type == 6) is not { } start)
        {
            var isReferral = code == 0 && (message[2] & 4) == 0 && authority.Any(static record => record.Type == 2);
            return Text(isReferral ? DnsStatus.ServerFailure : status, false, 0, []);
        }

        return Text(status, false, Capped(ttls.Append(start.Ttl).Append(Minimum(message, start)).Min()), []);
    }

    private static long Capped(long ttl) => ttl > int.MaxValue ? 0 : ttl;

    private static string Owner(byte[] message, List<Record> answers, string name, List<long> ttls)
    {
        for (var steps = 0; steps < MostAliases; steps++)
        {
            if (answers.FirstOrDefault(record => record.Type == 5 && IsSame(record.Owner, name)) is not { } alias)
            {
                return name;
            }

            ttls.Add(alias.Ttl);
            name = Name(new Cursor(message, alias.Start));
        }

        throw new MalformedException("aliases");
    }

    private static List<Record> Section(Cursor cursor, int count)
    {
        var records = new List<Record>();
        for (var index = 0; index < count; index++)
        {
            var owner = Name(cursor);
            var (type, kind, ttl, length) = (cursor.Big16(), cursor.Big16(), cursor.Big32(), cursor.Big16());
            var start = cursor.At;
            cursor.Take(length);
            if (kind == 1)
            {
                records.Add(new Record(owner, type, ttl, start, length));
            }
        }

        return count <= MostRecords ? records : throw new MalformedException("too many");
    }

    private static string Data(byte[] message, Record record)
    {
        var cursor = new Cursor(message, record.Start);
        switch ((DnsRecordType)record.Type)
        {
            case DnsRecordType.A or DnsRecordType.Aaaa:
                return record.Length == (record.Type == 1 ? 4 : 16) ? new IPAddress(cursor.Take(record.Length)).ToString()
                    : throw new MalformedException("address");
            case DnsRecordType.ReverseName:
                return Name(cursor);
            case DnsRecordType.Mx:
                return string.Create(CultureInfo.InvariantCulture, $"{cursor.Big16()} {Name(cursor)}");
            case DnsRecordType.Txt:
                var data = new Cursor(cursor.Take(record.Length));
                var text = new StringBuilder();
                while (!data.IsAtEnd)
                {
                    text.Append(data.Latin1(data.Byte()));
                }

                return text.ToString();
            default:
                return Convert.ToHexString(cursor.Take(record.Length));
        }
    }

    private static string Of(DnsRecord record) => record switch
    {
        AddressRecord one => one.Address.ToString(),
        NameRecord one => one.Name,
        MailExchangerRecord one => string.Create(CultureInfo.InvariantCulture, $"{one.Preference} {one.Host}"),
        TextRecord one => one.Text,
        DataRecord one => Convert.ToHexString(one.Data.Span),
        _ => throw new MismatchException($"a record of an unknown kind: {record}"),
    };

    private static long Minimum(byte[] message, Record start)
    {
        var cursor = new Cursor(message, start.Start);
        Name(cursor);
        Name(cursor);
        cursor.At += 16;
        return cursor.At + 4 <= start.Start + start.Length ? cursor.Big32() : throw new MalformedException("SOA");
    }

    private static bool IsSame(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static string Name(Cursor cursor)
    {
        var labels = new List<byte[]>();
        var end = -1L;
        var jumps = 0;
        var before = cursor.At;
        for (int length; (length = cursor.Byte()) != 0;)
        {
            if (length >= 0xc0)
            {
                var target = ((length - 0xc0) * 256) + cursor.Byte();
                end = end < 0 ? cursor.At : end;
                if (target >= before || ++jumps > MostJumps)
                {
                    throw new MalformedException("pointer");
                }

                cursor.At = before = target;
                continue;
            }

            labels.Add(length <= 63 ? cursor.Take(length) : throw new MalformedException("label"));
            if (labels.Sum(static label => label.Length + 1) > 254)
            {
                throw new MalformedException("name");
            }
        }

        cursor.At = end < 0 ? cursor.At : end;
        return string.Join('.', labels.Select(static label => string.Concat(label.Select(PlainDnsName.Shown))));
    }

    private sealed record Record(string Owner, int Type, long Ttl, long Start, int Length);
}
