using System.Net;
using Policyd.Engine.Clustering;

namespace Policyd.Tests.Clustering;

public sealed class NamePatternSpecs
{
    [Theory]
    [InlineData("mx*.example.org", "mx1.example.org", true)]
    [InlineData("mx*.example.org", "MX.EXAMPLE.org.", true)]
    [InlineData("mx*.example.org", "mx1.a.example.org", false)]
    [InlineData("mx*.example.org", "mx1.example.org.evil.example", false)]
    [InlineData("mx*.example.org", "amx1.example.org", false)]
    [InlineData("mx*.example.org", "*.example.org", false)]
    [InlineData("*.example.org", "example.org", false)]
    [InlineData("*.example.org", ".example.org", true)]
    [InlineData("*.example.org", "a.b.example.org", false)]
    [InlineData("mx1.example.org", "mx1.example.org", true)]
    [InlineData("mx1.example.org", "mx12example.org", false)]
    [InlineData("a*b*c", "abc", true)]
    [InlineData("a*b*c", "axxbbyc", true)]
    [InlineData("a*b*c", "acb", false)]
    [InlineData("ab*ba", "aba", false)]
    [InlineData("*", "localhost", true)]
    [InlineData("127.0.0.1", "127.0.0.1", false)]
    public void Star_stands_for_characters_within_a_label(string pattern, string name, bool matches)
    {
        Assert.True(NamePattern.TryParse(pattern, out var read, out _));
        Assert.Equal(matches, read!.Matches(name));
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1", true)]
    [InlineData("127.0.0.1", "127.0.0.2", false)]
    [InlineData("2001:DB8:0::1", "2001:db8::1", true)]
    [InlineData("[::1]", "::1", true)]
    [InlineData("*.*.*.*", "127.0.0.1", false)]
    public void Address_matches_only_itself(string pattern, string address, bool matches)
    {
        Assert.True(NamePattern.TryParse(pattern, out var read, out _));
        Assert.Equal(matches, read!.Matches(IPAddress.Parse(address)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("mx1..example.org")]
    [InlineData("mx?.example.org")]
    [InlineData("https://mx1.example.org")]
    [InlineData("mx1.example.org:4053")]
    [InlineData("10.0.0.0/8")]
    public void What_is_no_pattern_is_told(string text)
    {
        Assert.False(NamePattern.TryParse(text, out _, out var error));
        Assert.StartsWith("expected a host name, in which * stands for characters other than a dot", error);
    }
}
