using Policyd.Configuration;
using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;
using Policyd.Modules;
using Policyd.Modules.DnsLists;
using Policyd.Tests.Support;

namespace Policyd.Tests.Plugins;

/// <summary>The key of a subscriber in a list's domain: asked with it, shown without it.</summary>
public sealed class ListKeySpecs
{
    private const string Secret = "abcdefghijklmnopqrst234567";

    [Theory]
    [InlineData("domain = \"%KEY%.zen.test\", key = \"" + Secret + "\"")]
    [InlineData("domain = \"%KEY%.ZEN.test.\", key = \"ABCDEFGHIJKLMNOPQRST234567\"")]
    [InlineData("domain = \"" + Secret + ".zen.test\"")]
    public async Task Key_is_asked_with_and_never_shown(string options)
    {
        await using var server = new ScriptedDnsServer()
            .A($"7.2.0.192.{Secret}.zen.test", "127.0.0.2")
            .A($"7.2.0.192.{Secret}.zen.test", "127.0.0.1")
                .Txt($"7.2.0.192.{Secret}.zen.test", $"listed: 7.2.0.192.{Secret.ToUpperInvariant()}.zen.test")
                    .A($"x.example.{Secret}.zen.test", "127.255.255.254")
                    .With(DnsFault.ServFail, $"y.example.{Secret}.zen.test");
        await using var policy = PolicyUnderTest.Of($$"""
            policyd { dns { servers = ["{{server.Address}}"], timeout = 15s }, virtual_hosts = [ { port = 12345, plugins = [
              { name = dbl, module = DBL, log_level = 0, {{options}} }
              { name = zen, module = RBL, {{options}} }
            ] } ] }
            """);
        Assert.Equal(
            "reject delivery from 192.0.2.7 rejected (listed: 7.2.0.192.***.zen.test)",
            await policy.AskAsync(("sender", "a@x.example"), ("helo_name", "y.example")));
        Assert.Single(policy.Log.Containing("***.zen.test answers 127.255.255.254, which is not a listing"));
        Assert.Single(policy.Log.Containing("***.zen.test could not be queried"));
        Assert.DoesNotContain(policy.Log.Lines, line => line.Message.Contains(Secret, StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("domain = \"%KEY%.zen.test\"", "domain: %KEY% needs the option key")]
    [InlineData("domain = zen.test, key = \"" + Secret + "\"", "key: domain contains no %KEY% to be replaced by the key")]
    [InlineData(
        "domain = \"%KEY%.zen.test\", key = \"" + Secret + ".x\"",
        "key: the key must be one label of a domain: up to 63 letters, digits, - and _")]
    [InlineData(
        "domain = \"%KEY%.zen.test\", key = \"" + Secret + Secret + Secret + "\"",
        "key: the key must be one label of a domain: up to 63 letters, digits, - and _")]
    [InlineData("domain = \"" + Secret + "..zen.test\"", "domain: \"***..zen.test\" is not a domain name")]
    [InlineData("domain = \"%KEY%..zen.test\", key = \"" + Secret + "\"", "domain: \"***..zen.test\" is not a domain name")]
    [InlineData("domain = \"%key%.zen.test\"", "domain: \"%key%.zen.test\" is not a domain name")]
    [InlineData("domain = \"\"", "domain: \"\" is not a domain name")]
    public void Key_and_domain_that_do_not_fit_are_an_error_without_the_key(string options, string message)
    {
        foreach (var module in (string[])["RBL", "DBL"])
        {
            Assert.Null(PolicyUnderTest.Build(
                $"policyd {{ virtual_hosts = [ {{ port = 12345, plugins = [\n {{ name = a, module = {module}, {options} }} ] }} ] }}",
                out var diagnostics));
            var error = Assert.Single(diagnostics.All, static one => one.Severity == Severity.Error);
            Assert.Equal("plugin a: " + message, error.Message);
            Assert.Equal(2, error.Position.Line);
        }
    }

    [Theory]
    [InlineData("zen.spamhaus.org", "zen.spamhaus.org")]
    [InlineData("abcdefghijklmnopqrs.zen.test", "abcdefghijklmnopqrs.zen.test")]
    [InlineData("abcdefghijklmnopqrst.zen.test", "***.zen.test")]
    [InlineData("a-name-of-more-than-twenty-letters.test", "a-name-of-more-than-twenty-letters.test")]
    public void Label_that_looks_like_a_key_is_masked(string domain, string shown)
    {
        Assert.Equal(shown, SecretLabelsAttribute.HideLabels(domain));
        Assert.Equal(shown, new SecretLabelsAttribute().Hide(domain));
    }

    [Theory]
    [InlineData(typeof(RblPlugin))]
    [InlineData(typeof(DblPlugin))]
    public void Options_are_declared_secret(Type module)
    {
        Assert.IsType<SecretOptionAttribute>(Attribute.GetCustomAttribute(module.GetProperty("Key")!, typeof(SecretOptionAttribute)));
        Assert.IsType<SecretLabelsAttribute>(Attribute.GetCustomAttribute(module.GetProperty("Domain")!, typeof(SecretOptionAttribute)));
    }
}
