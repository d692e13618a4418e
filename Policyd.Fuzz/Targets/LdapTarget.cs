using System.Formats.Asn1;
using System.Globalization;
using System.Text;
using Policyd.Backends.Ldap;
using Policyd.Configuration;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Ldap;

namespace Policyd.Fuzz.Targets;

/// <summary>The messages of a directory server.</summary>
internal sealed class LdapTarget() : FuzzTarget(
    "ldap",
    "results and entries are those of a plain reader of RFC 4511, or both refuse the message",
    new AllocationBound(64 * 1024, 300))
{
    public override IReadOnlyList<byte[]> Samples { get; } = LdapSamples.All();

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        [0x30, 0x0c], [0x30, 0x84, 0, 0, 0, 5], [0x04, 0], [0x04, 0x81, 0x80], [0x31, 0], [0x0a, 1, 32], [0x0a, 5, 1, 0, 0, 0, 0],
            [0x02, 1, 5], [0x61], [0x64], [0x65],
        [0x30, 0x80], [0, 0], [0x24, 0x80], [0x84, 0xff, 0xff, 0xff, 0xff],
    ];

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var expected = PlainLdapReader.Describe(input);
        string read;
        try
        {
            read = meter.Run(() => Read(input));
        }
        catch (AsnContentException refused)
        {
            Check.That(expected is null or PlainLdapReader.NotCompared,
                $"{refused.Message}, and yet the plain reader has {Check.Shown(expected ?? "")}");
            return Outcome.Rejected(refused.Message);
        }

        if (expected != PlainLdapReader.NotCompared)
        {
            Check.Same(expected ?? "(malformed)", read, "the message");
        }

        return Outcome.Accepted(read[..Math.Min(read.Length, 20)]);
    }

    private static string Read(byte[] input)
    {
        var (id, kind, content) = LdapMessages.Open(input);
        return kind switch
        {
            LdapMessages.SearchEntry => Described(id, LdapMessages.ReadEntry(content)),
            LdapMessages.BindResponse or LdapMessages.SearchDone or LdapMessages.ExtendedResponse =>
                Described(id, LdapMessages.ReadResult(content, [])),
            _ => string.Create(CultureInfo.InvariantCulture, $"{id} operation {kind}"),
        };
    }

    private static string Described(int id, LdapResult result) => PlainLdapReader.Result(id, result.Code, result.Diagnostic);

    private static string Described(int id, LdapEntry entry) => PlainLdapReader.Entry(
        id, entry.Name, entry.Attributes.Select(static attribute =>
            new KeyValuePair<string, string>(attribute.Key, string.Join('|', attribute.Value))));
}

/// <summary>Messages as a server sends them.</summary>
internal static class LdapSamples
{
    public static IReadOnlyList<byte[]> All() =>
    [
        Message(1, 1, Result(0, "")),
        Message(2, 5, Result(32, "no such object")),
        Message(3, 24, Result(80, "grüße")),
        Message(4, 19, static writer => writer.WriteOctetString("ldap://other.example/"u8)),
        Message(300, 4, static writer =>
        {
            writer.WriteOctetString("uid=user,dc=example,dc=org"u8);
            using (writer.PushSequence())
            {
                Attribute(writer, "mail", "user@example.org", "other@example.org");
                Attribute(writer, "greylisting", "on");
                Attribute(writer, "MAIL", "again@example.org");
                Attribute(writer, "empty");
            }
        }),
    ];

    private static Action<AsnWriter> Result(int code, string diagnostic) => writer =>
    {
        writer.WriteEncodedValue([0x0a, 1, (byte)code]);
        writer.WriteOctetString([]);
        writer.WriteOctetString(Encoding.UTF8.GetBytes(diagnostic));
    };

    private static void Attribute(AsnWriter writer, string name, params ReadOnlySpan<string> values)
    {
        using (writer.PushSequence())
        {
            writer.WriteOctetString(Encoding.UTF8.GetBytes(name));
            using (writer.PushSetOf())
            {
                foreach (var value in values)
                {
                    writer.WriteOctetString(Encoding.UTF8.GetBytes(value));
                }
            }
        }
    }

    private static byte[] Message(int id, int operation, Action<AsnWriter> content)
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(id);
            using (writer.PushSequence(new Asn1Tag(TagClass.Application, operation, isConstructed: true)))
            {
                content(writer);
            }
        }

        return writer.Encode();
    }
}
