using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>The configuration that comes with the server, as it is but for its ports, its DNS server and its folder.</summary>
[ServerTest]
public sealed class DefaultConfigurationSpecs : IDisposable
{
    private const string Unlisted = "PREPEND X-MtScore: NO score=0";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private readonly int _counting = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_an_answer_from_any_list_a_client_is_let_through_with_a_header_and_the_second_time_without_asking()
    {
        await using var dns = new ScriptedDnsServer { Fault = DnsFault.Silence };
        await using var server = await ServeAsync(dns);
        Assert.Equal(Unlisted, await AskAsync(_port, ("client_address", "192.0.2.1")));
        Assert.NotEqual(0, dns.Queries);
        var asked = dns.Queries;
        Assert.Equal(Unlisted, await AskAsync(_port, ("client_address", "192.0.2.1")));
        Assert.Equal(asked, dns.Queries);
        Assert.DoesNotContain(server.Lines, line => line.Contains("warning: " + _folder.Path, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Lists_score_refuse_greylist_and_let_in_as_in_mtpolicyds_chain()
    {
        await using var dns = new ScriptedDnsServer()
            .A("2.2.0.192.zen.spamhaus.org", "127.0.0.2")
                .A("2.2.0.192.bl.spamcop.net", "127.0.0.2")
                .A("2.2.0.192.ix.dnsbl.manitu.net", "127.0.0.2")
                .A("3.2.0.192.zen.spamhaus.org", "127.0.0.10")
                .A("4.2.0.192.list.dnswl.org", "127.0.10.3").A("4.2.0.192.bl.spamcop.net", "127.0.0.2")
                .A("bad.example.dbl.spamhaus.org", "127.0.1.2");
        await using var server = await ServeAsync(dns);
        Assert.Equal(Unlisted, await AskAsync(_port, ("client_address", "192.0.2.1")));
        Assert.Equal(
            "reject sender ip 192.0.2.2 is blocked (score=15, spamhaus-rbl-sbl=5, manitu.net=5, spamcop=5)",
            await AskAsync(_port, ("client_address", "192.0.2.2")));
        Assert.Equal("PREPEND X-MtScore: NO score=3 [spamhaus-rbl-pbl=3]", await AskAsync(_port, ("client_address", "192.0.2.3")));
        Assert.Equal("dunno", await AskAsync(_port, ("client_address", "192.0.2.4")));
        Assert.StartsWith(
            "defer greylisting is active",
            await AskAsync(
                _port,
                ("client_address", "192.0.2.5"),
                ("sender", "a@bad.example"),
                ("recipient", "b@example.org"),
                ("helo_name", "mx.bad.example")),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mails_are_counted_where_Postfix_asks_at_their_end()
    {
        await using var dns = new ScriptedDnsServer();
        await using var server = await ServeAsync(dns);
        for (var mail = 0; mail < 3; mail++)
        {
            Assert.Equal(
                "dunno",
                await AskAsync(_counting, ("client_address", "192.0.2.1"), ("protocol_state", "END-OF-MESSAGE"), ("size", "1000")));
        }

        Assert.Equal(
            ["3|3000"], SqliteFile.Rows(_folder["policyd.db"], "SELECT count, size FROM acct_client_address WHERE key = '192.0.2.1'"));
    }

    public void Dispose() => _folder.Dispose();

    private static async Task<string> AskAsync(int port, params (string Name, string Value)[] attributes)
    {
        var request = PolicyRequestBuilder.AccessPolicy().Add("instance", Guid.NewGuid().ToString());
        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        return await client.AskAsync(request.ToBytes(), Cancel);
    }

    private async Task<ProcessUnderTest> ServeAsync(ScriptedDnsServer dns)
    {
        var shipped = await File.ReadAllTextAsync(FilesAbove.OfTheRepository("config/mtpolicyd.hocon"), Cancel);
        var text = shipped.Replace("12345", $"{_port}", StringComparison.Ordinal).Replace("12346", $"{_counting}", StringComparison.Ordinal)
            .Replace("dbname=var/policyd.db", $"dbname={_folder["policyd.db"]}", StringComparison.Ordinal);
        return await PolicydProcess.Serve(_folder.Write(
            "policyd.hocon",
            $"{text}\npolicyd.dns {{ servers = [\"{dns.Address}\"], timeout = 1s }}\npolicyd.admin.listen = off\n"), _port);
    }
}
