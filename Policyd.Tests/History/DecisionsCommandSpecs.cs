using System.Text.Json;
using System.Text.RegularExpressions;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.Admin;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.History;

/// <summary>
/// <c>policyd decisions</c> against a server: from the text of a refusal to its reasons, and the history that a reload changes.
/// </summary>
[ServerTest]
public sealed partial class DecisionsCommandSpecs : IDisposable
{
    private const string Refused = "db = db, what = refused";
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Name_in_a_refusal_leads_to_the_decision_while_the_server_runs_and_after_its_end()
    {
        var file = Configure(Refused);
        await using var server = await PolicydProcess.Serve(file, _port);
        Assert.Equal("dunno", await AskAsync("good@example.net"));
        var refusal = await AskAsync("bad@example.net", "Last\u001b[2J@example.org");
        var id = Id().Match(refusal).Value;
        Assert.Equal($"reject no, see {id}", refusal);
        await FoundAsync(file, "--id", id);
        Assert.Matches($"action=\"reject no, see {id}\" id={id} ", await server.Prints(id));

        var whole = (await Command.RunAsync("", "decisions", "-c", file, "--id", id.ToUpperInvariant())).Output;
        Assert.Matches("^acct \\(Accounting\\): nothing, [0-9.]+ ms\nno \\(Condition\\): answers reject no, see ", whole);
        Assert.Contains($"\nid              {id}\n", whole, StringComparison.Ordinal);
        Assert.Contains("\nrecipient       Last\\x1b[2J@example.org\n", whole, StringComparison.Ordinal);
        Assert.Matches("\nrule            no\n", whole);

        // The second is not waited for: the end of the server writes it.
        var second = Id().Match(await AskAsync("bad@example.net")).Value;
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        var lines = (await Command.RunAsync("", "decisions", "-c", file, "--sender", "BAD@example.net", "--since", "1h")).Output;
        Assert.Matches(
            $"^....-..-.. [0-9:.]+ x RCPT queue_id=4RtY client=192.0.2.7 .* id={id} [0-9.]+ ms\n.* id={second} [0-9.]+ ms\n$", lines);
        var json = (await Command.RunAsync("", "decisions", "-c", file, "--json", "--recipient", "last\u001b[2J@example.org")).Output;
        var report = JsonDocument.Parse(json).RootElement;
        Assert.Equal((id, "no"), (report.GetProperty("id").GetString(), report.GetProperty("rule").GetString()));
        var plugins = report.GetProperty("plugins").EnumerateArray();
        Assert.Equal(["acct", "no"], plugins.Select(static one => one.GetProperty("name").GetString()));

        Assert.Equal(0, SqliteFile.Number(_folder["policyd.db"], "SELECT count(*) FROM sqlite_master WHERE name LIKE '%decisions%'"));
        Assert.Equal(3, SqliteFile.Number(_folder["policyd.db"], "SELECT sum(count) FROM acct_sender"));
        Assert.Equal(2, SqliteFile.Number(_folder["policyd-decisions.db"], "SELECT count(*) FROM policyd_decisions"));
    }

    [Fact]
    public async Task What_cannot_be_searched_is_told()
    {
        var without = Configure(null);
        var missing = await Command.RunAsync("", "decisions", "-c", without);
        Assert.Equal(78, missing.ExitCode);
        Assert.Contains("there is no section policyd { decisions { } }", missing.Error, StringComparison.Ordinal);
        var file = Configure(Refused);
        var none = await Command.RunAsync("", "decisions", "-c", file);
        Assert.Equal((1, ""), (none.ExitCode, none.Output));
        Assert.EndsWith("policyd-decisions.db: no such decision (what = refused)\n", none.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["policyd-decisions.db"]));
        foreach (var (option, value, why) in new[]
        {
            ("--client", "nowhere", "--client: \"nowhere\" is neither an address nor a network such as 192.0.2.0/24"),
            ("--id", "4711", "--id: \"4711\" is no decision's name, which has 20 letters and digits"),
            ("--since", "yesterday", "--since: expected a duration such as 20s, 5m or a number of seconds, found \"yesterday\""),
            ("--since", "0", "--since: \"0\" is no time before now, such as 30m, 2h or 7d"),
            ("--limit", "0", "--limit: must be at least 1"),
        })
        {
            var wrong = await Command.RunAsync("", "decisions", "-c", file, option, value);
            Assert.Equal((64, $"policyd: {why}\n"), (wrong.ExitCode, wrong.Error));
        }

        var away = Configure(Refused, "dsn = \"dbi:Pg:dbname=x;host=127.0.0.1;port=1\"");
        Assert.Equal(69, (await Command.RunAsync("", "decisions", "-c", away)).ExitCode);
    }

    [Theory]
    [InlineData("what = refused", "\"db\"")]
    [InlineData("db = nobody", "decisions: db: there is no SQL connection \"nobody\"")]
    [InlineData("db = cache", "decisions: db: there is no SQL connection \"cache\"")]
    [InlineData("db = db, keep = 0", "decisions: keep: must be longer than 0")]
    [InlineData("db = db, what = some", "what")]
    [InlineData("db = db, depth = 3", "depth")]
    [InlineData("db = db }, on_error = \"reject see %ID%\", x { ", "on_error: %ID% has no value here")]
    public async Task A_wrong_section_is_an_error_at_its_place(string section, string why)
    {
        var result = await Command.RunAsync("", "check", "-c", Configure(section));
        Assert.Equal(78, result.ExitCode);
        Assert.Contains(why, result.Error, StringComparison.Ordinal);
        Assert.Matches("policyd.hocon:4:[0-9]+: ", result.Error);
    }

    [Fact]
    public async Task Check_and_dump_know_the_section()
    {
        var check = await Command.RunAsync("", "check", "-c", Configure(Refused));
        Assert.Equal((0, ""), (check.ExitCode, check.Error));
        Assert.Contains(
            $"db: at the next start: table policyd_decisions: created, in the new file {_folder["policyd-decisions.db"]}\n",
            check.Output,
            StringComparison.Ordinal);
        Assert.Matches(
            @"\n  decisions .*\n    db = db .*\n    keep = 12h ",
            (await Command.RunAsync("", "dump", "-c", Configure("db = db, keep = 12h"))).Output);
        var reads = $"provider = SQLite, dsn = \"Data Source={_folder["policyd.db"]};Mode=ReadOnly\"";
        var readOnly = await Command.RunAsync("", "check", "-c", Configure(Refused, reads));
        Assert.Equal(78, readOnly.ExitCode);
        Assert.Contains("decisions: db: connection db is read-only", readOnly.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reload_begins_changes_and_ends_the_history()
    {
        var file = Configure(null);
        await using var server = await PolicydProcess.Serve(file, _port);
        await AskAsync("bad@example.net");
        await ReloadAsync(Refused);
        var refused = Id().Match(await AskAsync("bad@example.net")).Value;
        await AskAsync("good@example.net");
        await FoundAsync(file, "--id", refused);

        await ReloadAsync("db = db, what = all");
        await AskAsync("good@example.net", "all@example.org");
        await FoundAsync(file, "--recipient", "all@example.org", "--action", "dunno");

        // The end of the former history writes what waits, before the reload is over.
        var last = Id().Match(await AskAsync("bad@example.net")).Value;
        await ReloadAsync("db = db, what = off");
        Assert.Equal(0, (await Command.RunAsync("", "decisions", "-c", file, "--id", last)).ExitCode);
        await AskAsync("bad@example.net", "off@example.org");
        await ReloadAsync(null);
        Configure(Refused);
        Assert.Equal(3, SqliteFile.Number(_folder["policyd-decisions.db"], "SELECT count(*) FROM policyd_decisions"));
        Assert.Equal(1, (await Command.RunAsync("", "decisions", "-c", file, "--recipient", "off@example.org")).ExitCode);
    }

    [Fact]
    public async Task What_is_older_than_keep_goes_by_itself()
    {
        var file = Configure(Refused);
        await using var server = await PolicydProcess.Serve(file, _port);
        await FoundAsync(file, "--id", Id().Match(await AskAsync("bad@example.net")).Value);
        await ReloadAsync("db = db, keep = 1s");
        await Eventually.Holds(
            "the decision to be deleted",
            () => SqliteFile.Number(_folder["policyd-decisions.db"], "SELECT count(*) FROM policyd_decisions") == 0);
    }

    [Fact]
    public async Task Facts_are_kept_where_they_are_asked_for()
    {
        var file = Configure("db = db, facts = on");
        await using var server = await PolicydProcess.Serve(file, _port);
        var id = Id().Match(await AskAsync("bad@example.net")).Value;
        await FoundAsync(file, "--id", id);
        Assert.Contains(
            "\n    sender: bad@example.net (compared with bad@example.net): equal\n",
            (await Command.RunAsync("", "decisions", "-c", file, "--id", id)).Output,
            StringComparison.Ordinal);
    }

    [GeneratedRegex("[0-9a-z]{20}")]
    private static partial Regex Id();

    private static Task FoundAsync(string file, params string[] search) => Eventually.Holds(
        $"decisions {string.Join(' ', search)}",
        async () => (await Command.RunAsync("", ["decisions", "-c", file, .. search])).ExitCode == 0);

    private string Configure(string? section, string? dsn = null) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = [ "127.0.0.1:{{_port}}" ]
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          {{(section is null ? "" : $"decisions {{ {section} }}")}}
          connections {
            db { module = Sql, {{dsn ?? $"provider = SQLite, dsn = \"Data Source={_folder["policyd.db"]};Default Timeout=30\""}} }
            {{(section == "db = cache" ? "cache { module = Memcached, servers = \"127.0.0.1:11211\" }" : "")}}
          }
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
            { name = acct, module = Accounting, fields = sender }
            { name = no, module = Condition, key = sender, match = "bad@example.net", action = "reject no, see %ID%" }
          ] } ]
        }
        """);

    private async Task ReloadAsync(string? section)
    {
        var admin = new AdminClient(new AdminOptions { Listen = $"unix:{_folder["admin.sock"]}" }, Configure(section));
        var report = await admin.AskAsync("reload", [], Cancel);
        Assert.True(report.GetProperty("applied").GetBoolean(), report.ToString());
    }

    private async Task<string> AskAsync(string sender, string recipient = "b@example.org")
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        return await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "RCPT").Add("sender", sender).Add("recipient", recipient)
                .Add("client_address", "192.0.2.7").Add("queue_id", "4RtY").Add("instance", Guid.NewGuid().ToString()).ToBytes(),
            Cancel);
    }
}
