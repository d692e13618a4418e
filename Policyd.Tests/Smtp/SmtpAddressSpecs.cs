using System.Net;
using CsCheck;
using Policyd.Backends.Smtp;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Smtp;

namespace Policyd.Tests.Smtp;

/// <summary>Addresses of strangers, as they are put into a command and into a question to the DNS.</summary>
public sealed class SmtpAddressSpecs
{
    [Theory]
    [InlineData("a@x.test", "<a@x.test>", "x.test")]
    [InlineData("First.Last+tag@X.Test", "<First.Last+tag@x.test>", "x.test")]
    [InlineData("a b@x.test", "<\"a b\"@x.test>", "x.test")]
    [InlineData("a..b@x.test", "<\"a..b\"@x.test>", "x.test")]
    [InlineData(".a@x.test", "<\".a\"@x.test>", "x.test")]
    [InlineData("a.@x.test", "<\"a.\"@x.test>", "x.test")]
    [InlineData("a>b@x.test", "<\"a>b\"@x.test>", "x.test")]
    [InlineData("a\"\\b@x.test", "<\"a\\\"\\\\b\"@x.test>", "x.test")]
    [InlineData("a@b@x.test", "<\"a@b\"@x.test>", "x.test")]
    [InlineData("a@bücher.test", "<a@xn--bcher-kva.test>", "xn--bcher-kva.test")]
    [InlineData("ä@x.test", "<ä@x.test>", "x.test")]
    [InlineData("a@[192.0.2.1]", "<a@[192.0.2.1]>", "[192.0.2.1]")]
    [InlineData("a@[IPv6:2001:DB8::1]", "<a@[IPv6:2001:db8::1]>", "[IPv6:2001:db8::1]")]
    public void Address_is_written_for_a_command(string text, string path, string domain)
    {
        var address = SmtpAddress.Parse(text)!;
        Assert.Equal((path, domain), (address.Path, address.Domain));
        Assert.Equal(text.StartsWith('ä'), address.NeedsUtf8);
    }

    [Theory]
    [InlineData("")]
    [InlineData("postmaster")]
    [InlineData("@x.test")]
    [InlineData("a@")]
    [InlineData("a@x..test")]
    [InlineData("a@.test")]
    [InlineData("a@x y.test")]
    [InlineData("a@x>.test")]
    [InlineData("a@x\r\nRCPT TO:<b.test")]
    [InlineData("a\r\nDATA@x.test")]
    [InlineData("a\u0085b@x.test")]
    [InlineData("a\ufffdb@x.test")]
    [InlineData("a\ud800b@x.test")]
    [InlineData("a@[192.0.2.1")]
    [InlineData("a@[1]")]
    [InlineData("a@[010.0.0.1]")]
    [InlineData("a@[0x7f000001]")]
    [InlineData("a@[IPv6:fe80::1%eth0]")]
    [InlineData("a@[2001:db8::1]")]
    [InlineData("a@[x.test]")]
    public void What_no_mail_can_be_sent_to_is_refused(string text) => Assert.Null(SmtpAddress.Parse(text));

    [Fact]
    public void Long_address_is_refused() => Assert.Null(SmtpAddress.Parse(new string('a', 320) + "@x.test"));

    [Fact]
    public void Any_text_gives_one_line_between_brackets_or_nothing() =>
        Gen.String[0, 30].Select(Gen.String[0, 30]).Sample((local, domain) =>
        {
            if (SmtpAddress.Parse($"{local}@{domain}") is { } address)
            {
                Assert.DoesNotContain(address.Path, char.IsControl);
                Assert.DoesNotContain(address.Domain, static c => c is '<' or '>' or ' ' or > '~');
                Assert.StartsWith("<", address.Path, StringComparison.Ordinal);
                Assert.EndsWith($"@{address.Domain}>", address.Path, StringComparison.Ordinal);
            }
        });

    // The example of RFC 7929, section 3.
    [Fact]
    public void Name_of_the_openpgp_key_is_that_of_the_rfc() =>
        Assert.Equal(
            "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey.example.com",
            SmtpAddress.Parse("hugh@example.com")!.OpenPgpKeyName);

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("100.63.0.1", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("2a00:1450::1", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.0.2.1", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("198.19.0.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2001:0:1::", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("2002:a00:1::", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("ff02::1", false)]
    public void Public_addresses_are_those_of_the_internet(string address, bool isPublic) =>
        Assert.Equal(isPublic, IPAddress.Parse(address).IsPublic());
}
