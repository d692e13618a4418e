using System.Formats.Asn1;
using System.Numerics;
using System.Text;
using Policyd.Plugins.Ldap;

namespace Policyd.Backends.Ldap;

/// <summary>The messages of LDAP (RFC 4511) that a reader of a directory needs, as bytes.</summary>
internal static class LdapMessages
{
    public const int BindResponse = 1;
    public const int SearchEntry = 4;
    public const int SearchDone = 5;
    public const int SearchReference = 19;
    public const int ExtendedResponse = 24;

    private const string StartTlsName = "1.3.6.1.4.1.1466.20037";

    public static byte[] Bind(int id, string name, string password) => Message(id, writer =>
    {
        using (writer.PushSequence(Application(0)))
        {
            writer.WriteInteger(3);
            WriteText(writer, name);
            WriteText(writer, password, new Asn1Tag(TagClass.ContextSpecific, 0));
        }
    });

    public static byte[] StartTls(int id) => Message(id, static writer =>
    {
        using (writer.PushSequence(Application(23)))
        {
            WriteText(writer, StartTlsName, new Asn1Tag(TagClass.ContextSpecific, 0));
        }
    });

    /// <exception cref="FormatException">The filter is none.</exception>
    public static byte[] Search(int id, LdapSearch search) => Message(id, writer =>
    {
        using (writer.PushSequence(Application(3)))
        {
            WriteText(writer, search.Base);
            writer.WriteEnumeratedValue(SearchScope.WholeSubtree);
            writer.WriteEnumeratedValue(AliasHandling.Never);
            writer.WriteInteger(search.Most);
            writer.WriteInteger(0);
            writer.WriteBoolean(false);
            LdapFilter.Write(search.Filter, writer);
            using (writer.PushSequence())
            {
                foreach (var attribute in search.Attributes)
                {
                    WriteText(writer, attribute);
                }
            }
        }
    });

    /// <summary>Opens a message: whose it is, which kind, and its content.</summary>
    /// <exception cref="AsnContentException">It is none.</exception>
    public static (int Id, int Kind, AsnReader Content) Open(ReadOnlyMemory<byte> message)
    {
        var content = new AsnReader(message, AsnEncodingRules.BER).ReadSequence();
        if (!content.TryReadInt32(out var id))
        {
            throw new AsnContentException("the message's id is not a number");
        }

        var tag = content.PeekTag();
        return tag.TagClass == TagClass.Application && tag.IsConstructed
            ? (id, tag.TagValue, content.ReadSequence(tag))
            : throw new AsnContentException("the message has no operation");
    }

    /// <exception cref="AsnContentException">It is none.</exception>
    public static LdapResult ReadResult(AsnReader content, IReadOnlyList<LdapEntry> entries)
    {
        var code = new BigInteger(content.ReadEnumeratedBytes().Span, isBigEndian: true);
        content.ReadOctetString();
        return new LdapResult((int)BigInteger.Clamp(code, -1, int.MaxValue), ReadText(content), entries);
    }

    /// <exception cref="AsnContentException">It is none.</exception>
    public static LdapEntry ReadEntry(AsnReader content)
    {
        var name = ReadText(content);
        var attributes = new Dictionary<string, IReadOnlyList<string>>(StringComparer.OrdinalIgnoreCase);
        var list = content.ReadSequence();
        while (list.HasData)
        {
            var attribute = list.ReadSequence();
            var type = ReadText(attribute);
            var values = new List<string>();
            var set = attribute.ReadSetOf(skipSortOrderValidation: true);
            while (set.HasData)
            {
                values.Add(ReadText(set));
            }

            attributes[type] = values;
        }

        return new LdapEntry(name, attributes);
    }

    private static Asn1Tag Application(int number) => new(TagClass.Application, number, isConstructed: true);

    private static string ReadText(AsnReader reader) => Encoding.UTF8.GetString(reader.ReadOctetString());

    private static void WriteText(AsnWriter writer, string text, Asn1Tag? tag = null) =>
        writer.WriteOctetString(Encoding.UTF8.GetBytes(text), tag);

    private static byte[] Message(int id, Action<AsnWriter> write)
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(id);
            write(writer);
        }

        return writer.Encode();
    }

    private enum SearchScope
    {
        WholeSubtree = 2,
    }

    private enum AliasHandling
    {
        Never = 0,
    }
}
