using System.Formats.Asn1;
using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Ldap;

namespace Policyd.Fuzz.Targets;

/// <summary>Search filters, and the values that strangers put into them.</summary>
internal sealed class LdapFilterTarget() : FuzzTarget(
    "ldap-filter",
    "an accepted filter's bytes, printed plainly, give the same bytes again; an escaped value stays one value",
    new AllocationBound(64 * 1024, 1500))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "(mail=user@example.org)", "(&(objectClass=person)(|(uid=a*b*c)(!(cn=x))))", "(cn:dn:2.4.6.8.10:=Dino)", "(:caseExactMatch:=x)",
        "(a>=5)", "(a<=5)", "(a~=x)", "(a=*)", "(a=\\28\\29\\2a\\5c\\00)", "(o=grüße)", "(&)");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "( ) & | ! = ~= >= <= := : * ** \\ \\2a \\zz \\f (a=b) (!(a=b)) :dn :dn: a;x-y", " ", "\0", "\u00e4", "\n");

    public override int LongestInput => 1000;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        CheckEscape(text, meter);
        byte[] written;
        try
        {
            written = meter.Run(() => Write(text));
        }
        catch (FormatException refused)
        {
            return Outcome.Rejected(refused.Message);
        }

        var printed = PlainLdapFilter.Print(written);
        byte[] again;
        try
        {
            again = Write(printed);
        }
        catch (FormatException refused)
        {
            throw new MismatchException($"the printed filter {Check.Shown(printed)} is refused: {refused.Message}");
        }

        Check.Same(written, again, $"the bytes of the printed filter {Check.Shown(printed)}");
        return Outcome.Accepted(string.Concat(text.Where(static c => "()&|!*:~<>".Contains(c, StringComparison.Ordinal)).Take(12)));
    }

    private static byte[] Write(string filter)
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        LdapFilter.Write(filter, writer);
        return writer.Encode();
    }

    private static void CheckEscape(string value, Meter meter)
    {
        var filter = meter.Run(() => $"(a={LdapFilter.Escape(value)})");
        var written = Write(filter);
        var reader = new AsnReader(written, AsnEncodingRules.BER).ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 3, true));
        Check.Same("a", Encoding.UTF8.GetString(reader.ReadOctetString()), "the attribute before an escaped value");
        Check.Same(Encoding.UTF8.GetBytes(value), reader.ReadOctetString(), "an escaped value");
    }
}

/// <summary>
/// Prints the bytes of a filter (RFC 4511, section 4.5.1.7) as the text of RFC 4515. A space before each attribute keeps
/// its first character from being read as an operator.
/// </summary>
internal static class PlainLdapFilter
{
    public static string Print(byte[] filter) => Print(new AsnReader(filter, AsnEncodingRules.BER));

    private static string Print(AsnReader reader)
    {
        var tag = reader.PeekTag();
        switch (tag.TagValue)
        {
            case 0 or 1:
                var set = reader.ReadSetOf(skipSortOrderValidation: true, tag);
                var parts = new StringBuilder(tag.TagValue == 0 ? "(&" : "(|");
                while (set.HasData)
                {
                    parts.Append(Print(set));
                }

                return parts.Append(')').ToString();
            case 2:
                return $"(!{Print(reader.ReadSequence(tag))})";
            case 7:
                return $"( {Text(reader, tag)}=*)";
            case 4:
                return Substrings(reader.ReadSequence(tag));
            case 9:
                return Extensible(reader.ReadSequence(tag));
            default:
                var sign = tag.TagValue switch
                {
                    3 => "=",
                    5 => ">=",
                    6 => "<=",
                    8 => "~=",
                    _ => throw new MismatchException($"a filter of choice {tag.TagValue}"),
                };
                var pair = reader.ReadSequence(tag);
                return $"( {Text(pair)}{sign}{Value(pair)})";
        }
    }

    private static string Substrings(AsnReader reader)
    {
        var text = new StringBuilder($"( {Text(reader)}=");
        var pieces = reader.ReadSequence();
        var last = -1;
        while (pieces.HasData)
        {
            var tag = pieces.PeekTag();
            _ = tag.TagValue > 0 ? text.Append('*') : text;
            text.Append(Value(pieces, tag));
            last = tag.TagValue;
        }

        return text.Append(last == 2 ? ")" : "*)").ToString();
    }

    private static string Extensible(AsnReader reader)
    {
        var (rule, attribute, value, isDn) = ("", "", "", false);
        while (reader.HasData)
        {
            var tag = reader.PeekTag();
            switch (tag.TagValue)
            {
                case 1: rule = ":" + Text(reader, tag); break;
                case 2: attribute = Text(reader, tag); break;
                case 3: value = Value(reader, tag); break;
                default: isDn = reader.ReadBoolean(tag); break;
            }
        }

        return $"( {attribute}{(isDn ? ":dn" : "")}{rule}:={value})";
    }

    private static string Text(AsnReader reader, Asn1Tag? tag = null) => Encoding.UTF8.GetString(reader.ReadOctetString(tag));

    // Each byte as hexadecimal, so that none is syntax.
    private static string Value(AsnReader reader, Asn1Tag? tag = null) =>
        string.Concat(reader.ReadOctetString(tag).Select(static b => $"\\{b:x2}"));
}
