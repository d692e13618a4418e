using Policyd.Plugins.Addresses;

namespace Policyd.Tests.Plugins;

/// <summary>What plugins take for a client's address: whoever sends a mail must not name another one by an odd spelling.</summary>
public sealed class ClientAddressSpecs
{
    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7")]
    [InlineData("0.0.0.0", "0.0.0.0")]
    [InlineData("255.255.255.255", "255.255.255.255")]
    [InlineData("::ffff:192.0.2.7", "192.0.2.7")]
    [InlineData("2001:DB8:0::1", "2001:db8::1")]
    [InlineData("::", "::")]
    public void Address_is_one_however_it_is_written(string text, string address) =>
        Assert.Equal(address, ClientAddress.Parse(text)?.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("unknown")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.")]
    [InlineData(".1.2.3")]
    [InlineData("1.2.3.4.")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.256")]
    [InlineData("1.2.3.1234")]
    [InlineData("134744072")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("0177.0.0.1")]
    [InlineData("1.2.3.04")]
    [InlineData(" 1.2.3.4")]
    [InlineData("1.2.3.4:25")]
    [InlineData("1.2.3.4/24")]
    [InlineData("١.2.3.4")]
    [InlineData("[::1]")]
    [InlineData("[::1]:25")]
    [InlineData("::1/64")]
    [InlineData("::1%1")]
    [InlineData("fe80::1%lo")]
    [InlineData("::ffff:1.2.3")]
    [InlineData("::ffff:010.0.0.1")]
    [InlineData("::ffff:0x7f.0.0.1")]
    [InlineData(":::")]
    [InlineData(":")]
    public void What_only_looks_like_an_address_is_none(string text) => Assert.Null(ClientAddress.Parse(text));
}
