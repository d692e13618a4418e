using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd explain</c> as an operator runs it, with and without a server.</summary>
[ServerTest]
public sealed class ExplainCommandSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_request_is_explained_by_what_the_server_has_counted_and_counts_nothing()
    {
        var file = Configure();
        var offline = await Explain(file);
        Assert.Equal("dunno", offline.GetProperty("action").GetString());
        Assert.Contains(Facts(offline, "limit"), static fact => fact.EndsWith("the counter is unknown", StringComparison.Ordinal));
        Assert.Contains(
            Facts(offline, "acct"),
            static fact => fact.StartsWith("would have counted count=1 count_rcpt=1 size=", StringComparison.Ordinal));
        Assert.False(File.Exists(_folder["counters.db"]));

        await using (var server = await PolicydProcess.Serve(file, _port))
        {
            await Ask("1");
            for (var round = 0; round < 3; round++)
            {
                var live = await Explain(file, "--live");
                Assert.Equal("dunno", live.GetProperty("action").GetString());
                Assert.Contains(Facts(live, "limit"), static fact => fact.EndsWith(" 1 2 below", StringComparison.Ordinal));
            }

            await Ask("2");
            var full = await Explain(file, "--live");
            Assert.Equal("defer full", full.GetProperty("action").GetString());
            Assert.Equal("limit", full.GetProperty("rule").GetString());
            Assert.Contains(Facts(full, "limit"), static fact => fact.EndsWith(" 2 2 reached", StringComparison.Ordinal));
            server.Terminate();
            Assert.Equal(0, await server.Exits());
        }

        var stored = await Explain(file);
        Assert.Equal("defer full", stored.GetProperty("action").GetString());
        Assert.Contains(Facts(stored, "limit"), static fact => fact.EndsWith(" 2 2 reached", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_source_that_is_away_is_what_the_plugin_read_of_it()
    {
        var file = _folder.Write(
            "away.hocon",
            $$"""
            policyd {
              connections { memcached { module = Memcached, servers = "127.0.0.1:{{FreePort.Next()}}" } }
              listen = ["127.0.0.1:{{_port}}"]
              virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
                { name = grey, module = Greylist, use_autowl = off, query_autowl = off, ticket { module = Memcached } }
                { name = traps, module = Honeypot, recipients = "trap@example.org", store = Memcached }
              ] } ]
            }
            """);
        var shown = await Explain(file, "recipient=b@example.org");
        Assert.Equal("dunno", shown.GetProperty("action").GetString());
        Assert.StartsWith(
            "greylisting the mail goes on without greylisting: ", Assert.Single(Facts(shown, "grey")), StringComparison.Ordinal);
        Assert.StartsWith(
            "the store of trapped clients the trapped clients are unknown: ", Facts(shown, "traps").Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task People_see_the_chain_as_it_ran_and_nothing_of_the_request_drives_their_terminal()
    {
        var file = Configure();
        var shown = await Command.RunAsync(
            "client_address=192.0.2.7\nstress=yes\nsender=\u001b[2Jb@example.net\n\n", "explain", "-c", file, "--virtual-host", "x");
        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));
        Assert.Matches("^watch \\(Action\\): observed, would answer reject watched, [0-9.]+ ms\n", shown.Output);
        Assert.Matches("\nouter \\(Stress\\): nothing, [0-9.]+ ms\n    stress: yes\n  inner \\(Condition\\): nothing, ", shown.Output);
        Assert.Contains(
            "      sender: \\x1b[2Jb@example.net (compared with a@example.net): no match\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains(
            "\naction          dunno\nobserved        watch: reject watched\ntime            ", shown.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(shown.Output, static c => char.IsControl(c) && c != '\n');
    }

    [Fact]
    public async Task What_is_wrong_with_the_question_is_told_with_an_exit_code()
    {
        var file = Configure();
        Assert.Equal(64, (await Command.RunAsync("", "explain", "-c", file)).ExitCode);
        Assert.Equal(65, (await Command.RunAsync("", "explain", "-c", file, "client_address")).ExitCode);
        Assert.Equal(69, (await Command.RunAsync("", "explain", "-c", file, "--live", "sender=a@b.example")).ExitCode);
        var unknown = await Command.RunAsync("", "explain", "-c", file, "--virtual-host", "y", "sender=a@b.example");
        Assert.Equal(
            (64, "policyd: --virtual-host: there is no virtual host \"y\"; found: x\n"), (unknown.ExitCode, unknown.Error));
        Assert.Equal(78, (await Command.RunAsync("", "explain", "-c", _folder.Write("bad.hocon", "policyd { "), "a=b")).ExitCode);
    }

    private static async Task<JsonElement> Explain(string file, params string[] options)
    {
        var shown = await Command.RunAsync(
            "",
            [
                "explain", "-c", file, "--json", .. options,
                "protocol_state=END-OF-MESSAGE", "client_address=192.0.2.7", "sender=a@example.com",
            ]);
        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));
        using var report = JsonDocument.Parse(shown.Output);
        return report.RootElement.Clone();
    }

    private static IEnumerable<string> Facts(JsonElement report, string plugin) => report.GetProperty("plugins")
        .EnumerateArray()
        .Where(one => one.GetProperty("name").GetString() == plugin)
        .SelectMany(static one => one.GetProperty("facts").EnumerateArray())
        .Select(static fact => string.Join(' ', fact.EnumerateObject().Select(static member => member.Value.GetString())));

    private async Task Ask(string instance)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        Assert.Equal("dunno", await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("client_address", "192.0.2.7")
                .Add("sender", "a@example.com").Add("instance", instance).Add("size", "10").ToBytes(),
            Cancel));
    }

    private string Configure() => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }
          connections { db { module = Sql, dsn = "Data Source={{_folder["counters.db"]}}", provider = SQLite } }
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
            { name = watch, module = Action, action = "reject watched", observe = on }
            { name = outer, module = Stress, plugins = [
              { name = inner, module = Condition, key = sender, match = "a@example.net", action = "reject no" } ] }
            { name = limit, module = Quota, field = client_address, metric = count, threshold = 2, action = "defer full" }
            { name = acct, module = Accounting, fields = client_address }
          ] } ]
        }
        """);
}
