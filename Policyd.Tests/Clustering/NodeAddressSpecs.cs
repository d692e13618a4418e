using Policyd.Engine.Clustering;

namespace Policyd.Tests.Clustering;

public sealed class NodeAddressSpecs
{
    [Theory]
    [InlineData("10.0.0.1:4053", "10.0.0.1", 4053, "10.0.0.1:4053")]
    [InlineData(" MX1.Example.ORG:4053 ", "mx1.example.org", 4053, "mx1.example.org:4053")]
    [InlineData("[2001:DB8:0::1]:1", "2001:db8::1", 1, "[2001:db8::1]:1")]
    [InlineData("policyd_1:65535", "policyd_1", 65535, "policyd_1:65535")]
    public void Address_is_read_in_one_spelling(string text, string host, int port, string shown)
    {
        Assert.True(NodeAddress.TryParse(text, out var address, out var error), error);
        Assert.Equal(new NodeAddress(host, port), address);
        Assert.Equal(shown, address!.ToString());
    }

    [Theory]
    [InlineData("10.0.0.1", "\"10.0.0.1\" has no port from 1 to 65535; expected HOST:PORT or [V6]:PORT")]
    [InlineData("4053", "\"4053\" has no port from 1 to 65535; expected HOST:PORT or [V6]:PORT")]
    [InlineData("mx1:70000", "\"mx1:70000\" has no port from 1 to 65535; expected HOST:PORT or [V6]:PORT")]
    [InlineData("[::1]", "\"[::1]\" has no port from 1 to 65535; expected HOST:PORT or [V6]:PORT")]
    [InlineData("mx1:0", "\"mx1:0\": port 0 means any free port, but the other nodes must know the port; choose one")]
    [InlineData("::1:4053", "\"::1:4053\": write an IPv6 address in brackets, such as [2001:db8::1]:4053")]
    [InlineData("[mx1]:4053", "\"[mx1]:4053\" has no host name or address; expected HOST:PORT or [V6]:PORT")]
    [InlineData(":4053", "\":4053\" has no host name or address; expected HOST:PORT or [V6]:PORT")]
    [InlineData("mx 1:4053", "\"mx 1:4053\" has no host name or address; expected HOST:PORT or [V6]:PORT")]
    [InlineData("300.0.0.1.:4053", "\"300.0.0.1.:4053\" has no host name or address; expected HOST:PORT or [V6]:PORT")]
    [InlineData("akka.tcp://policyd@mx1:4053", "\"akka.tcp://policyd@mx1:4053\" is an address of Akka; expected HOST:PORT or [V6]:PORT")]
    public void What_is_no_address_is_told_in_a_sentence(string text, string expected)
    {
        Assert.False(NodeAddress.TryParse(text, out var address, out var error));
        Assert.Equal((null, expected), (address, error));
    }

    [Theory]
    [InlineData("127.0.0.1:1", true, false)]
    [InlineData("127.3.4.5:1", true, false)]
    [InlineData("[::1]:1", true, false)]
    [InlineData("localhost:1", true, false)]
    [InlineData("10.0.0.1:1", false, false)]
    [InlineData("mx1:1", false, false)]
    [InlineData("0.0.0.0:1", false, true)]
    [InlineData("[::]:1", false, true)]
    public void Reach_of_an_address_is_known(string text, bool isLoopback, bool isWildcard)
    {
        Assert.True(NodeAddress.TryParse(text, out var address, out _));
        Assert.Equal((isLoopback, isWildcard), (address!.IsLoopback, address.IsWildcard));
    }
}
