using System.Text;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Smtp;

namespace Policyd.Fuzz.Targets;

/// <summary>Addresses that go into an SMTP command and a DNS question.</summary>
internal sealed class SmtpAddressTarget() : FuzzTarget(
    "smtp-address",
    "an accepted address is one path in one line, its domain is asked for as it is, and it is accepted again in its own form",
    new AllocationBound(128 * 1024, 400))
{
    public override IReadOnlyList<byte[]> Samples { get; } = Texts.Utf8(
        "user@example.org", "first.last+tag@Sub.Example.ORG.", "a b\"c\\d@example.org", "grüße@bücher.example", "x@[192.0.2.1]",
            "x@[IPv6:2001:db8::1]", "@@x@example", "user@xn--bcher-kva.example");

    public override IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "@ [ ] < > \" \\ . .. [IPv6: [192.0.2.1] :: % xn-- \\000", "\r\n", "\0", " ", "\u00ad", "\u3002", "\uff20", "\u200d", "\u00df",
            "\u2028", "\u0130");

    public override int LongestInput => 700;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        if (meter.Run(() => SmtpAddress.Parse(text)) is not { } address)
        {
            return Outcome.Rejected("no address");
        }

        var path = address.Path;
        Check.That(!path.Any(char.IsControl) && path.StartsWith('<') && path.EndsWith($"@{address.Domain}>", StringComparison.Ordinal),
            $"the path is {Check.Shown(path)}");
        Check.That(address.Domain.All(static c => c is > ' ' and <= '~' and not ('<' or '>' or '@' or '"' or '\\')),
            $"the domain is {Check.Shown(address.Domain)}");
        if (address.Literal is null)
        {
            Check.That(DnsName.TryNormalize(address.Domain, out var normal) && normal == address.Domain,
                $"the domain {address.Domain} cannot be asked for as it is");
        }

        var local = text[..text.LastIndexOf('@')];
        var again = SmtpAddress.Parse($"{local}@{address.Domain}");
        if (local.Length + 1 + address.Domain.Length <= 320)
        {
            Check.Same(path, again?.Path ?? "(refused)", "the address in its own form");
        }

        CheckQuotes(path[1..path.LastIndexOf('@')], local);
        return Outcome.Accepted($"literal {address.Literal is not null}, UTF-8 {address.NeedsUtf8}, quoted {path[1] == '"'}");
    }

    // RFC 5321, section 4.1.2: within quotes a backslash stands before what is meant as it is.
    private static void CheckQuotes(string written, string local)
    {
        if (!written.StartsWith('"'))
        {
            Check.Same(local, written, "the local part");
            return;
        }

        var read = new StringBuilder();
        for (var at = 1; at < written.Length - 1; at++)
        {
            at += written[at] == '\\' ? 1 : 0;
            Check.That(written[at] != '"' || written[at - 1] == '\\', "the quotes end early");
            read.Append(written[at]);
        }

        Check.Same(local, read.ToString(), "the local part in quotes");
    }
}
