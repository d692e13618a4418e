using Policyd.Engine.Model;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>What check says of <c>http { }</c> and <c>otlp { }</c>.</summary>
[ServerTest]
public sealed class HttpOptionSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("http { listen = \"127.0.0.1:9465\" }", null)]
    [InlineData("http { listen = \"9465\" }", null)]
    [InlineData("http { listen = \"localhost:9465\" }", null)]
    [InlineData("http { listen = \"[::1]:9465\", hosts = [\"mx1.example.org\", \"[2001:db8::1]\", \"192.0.2.1\"] }", null)]
    [InlineData("http { listen = \"192.0.2.1:9465\", allow_remote = on, token = abc }", null)]
    [InlineData("http { }", "http needs the option \"listen\"")]
    [InlineData("http { listen = \"unix:/run/x.sock\" }", "http: listen: \"unix:/run/x.sock\" is not ADDRESS:PORT or localhost:PORT")]
    [InlineData("http { listen = \"mx1.example.org:9465\" }", "http: listen: \"mx1.example.org:9465\" is not ADDRESS:PORT")]
    [InlineData("http { listen = \"127.0.0.1\" }", "http: listen: \"127.0.0.1\" has no port")]
    [InlineData("http { listen = \"192.0.2.1:9465\", token = abc }", "http: listen: 192.0.2.1:9465 can be reached from other hosts")]
    [InlineData("http { listen = \"192.0.2.1:9465\", allow_remote = on }", "http: allow_remote: 192.0.2.1:9465 can be reached")]
    [InlineData("http { listen = \"0.0.0.0:9465\", allow_remote = on, token = abc }", "http: listen: 0.0.0.0:9465 means all addresses")]
    [InlineData("http { listen = \"9465\", token = \"a b\" }", "http: token: must be printable ASCII")]
    [InlineData("http { listen = \"9465\", token = \"\" }", "http: token: must be printable ASCII")]
    [InlineData("http { listen = \"9465\", hosts = [\"mx1:9465\"] }", "http: hosts: \"mx1:9465\" is not a name or an address")]
    [InlineData("http { listen = \"9465\", tls { certificate = /no.crt, key = /no.key } }", "tls: certificate: there is no file /no.crt")]
    [InlineData("http { listen = \"9465\", tls { certificate = /none.crt } }", "tls needs the option \"key\"")]
    [InlineData("otlp { endpoint = \"http://127.0.0.1:4318\", traces = 0.01 }", null)]
    [InlineData("otlp { endpoint = \"127.0.0.1:4318\" }", "otlp: endpoint: expected http://HOST:PORT")]
    [InlineData("otlp { endpoint = \"http://127.0.0.1:4318\", traces = 2 }", "traces: ")]
    [InlineData("otlp { endpoint = \"http://127.0.0.1:4318\", interval = 10ms }", "otlp: interval: must be from 1s to 1h")]
    public async Task Options_are_checked(string section, string? problem)
    {
        var file = _folder.Write(
            "policyd.hocon",
            $$"""
            policyd { listen = ["12345"]
            {{section}}
            virtual_hosts = [ { name = x, port = 12345, plugins = [ { module = Action, action = dunno } ] } ] }
            """);
        var result = await Command.RunAsync("", "check", "-c", file);
        if (problem is null)
        {
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
            return;
        }

        Assert.Equal(78, result.ExitCode);
        Assert.Contains($"policyd.hocon:2:", result.Error, StringComparison.Ordinal);
        Assert.Contains(problem, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Usual_names_are_those_of_loopback_and_the_address() => Assert.Equal(
        ["localhost", "127.0.0.1", "[::1]", "[2001:db8::1]"],
        new HttpOptions { Listen = "[2001:db8::1]:9465", AllowRemote = true, Token = "x" }.AllowedHosts);
}
