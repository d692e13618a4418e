using System.IO.Compression;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Replaying;

/// <summary><c>policyd replay</c>: what a real server has recorded, tried on other configurations.</summary>
[ServerTest]
public sealed class ReplayCommandSpecs(MariaDbServer mariaDb) : IDisposable
{
    private const string Counting = """
        { name = limit, module = Quota, field = sender, metric = count, threshold = LIMIT, time_pattern = "%Y-%m",
          action = "defer over the limit" },
        { name = acct, module = Accounting, fields = sender, time_pattern = "%Y-%m" }
        """;

    // Counts up to the attribute's value, and finds nothing.
    private const string SlowLookup =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < CAST(? AS INTEGER)) SELECT x FROM c WHERE x < 0";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Recording => _folder["requests.jsonl"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Same_configuration_gives_the_same_answers_and_a_lower_limit_says_whom_it_would_refuse()
    {
        var recorded = await RecordAsync(Limit(30), mails: 40);
        var same = await ReplayAsync(recorded);
        Assert.Equal((0, ""), (same.ExitCode, same.Error));
        Assert.Contains("requests: 120, of ", same.Output, StringComparison.Ordinal);
        Assert.Contains("no answer differs", same.Output, StringComparison.Ordinal);

        var lower = Configure("lower.hocon", Limit(20));
        var differs = await ReplayAsync(lower);
        Assert.Equal((1, ""), (differs.ExitCode, differs.Error));
        Assert.Contains("answers that differ: 10", differs.Output, StringComparison.Ordinal);
        Assert.Contains("was dunno", differs.Output, StringComparison.Ordinal);
        Assert.Contains("now defer over the limit (plugin limit)", differs.Output, StringComparison.Ordinal);

        using var report = await ReportAsync(lower);
        Assert.Equal(120, report.RootElement.GetProperty("requests").GetInt64());
        Assert.Equal(10, report.RootElement.GetProperty("different").GetInt64());
        var difference = Assert.Single(report.RootElement.GetProperty("differences").EnumerateArray());
        Assert.Equal("limit", difference.GetProperty("now").GetProperty("rule").GetString());
        Assert.Equal("defer", difference.GetProperty("now").GetProperty("action").GetString());
        Assert.Equal(3, difference.GetProperty("examples").GetArrayLength());
        Assert.Equal(
            ["many@example.com"],
            report.RootElement.GetProperty("senders").EnumerateArray().Select(static one => one.GetProperty("sender").GetString()));

        // Held against another configuration instead of the recorded answers.
        var higher = Configure("higher.hocon", Limit(25));
        using var against = await ReportAsync(lower, "--against", higher);
        Assert.Equal(5, against.RootElement.GetProperty("different").GetInt64());
        Assert.Equal(0, (await ReplayAsync(higher, "--against", higher)).ExitCode);
    }

    [Fact]
    public async Task Log_as_JSON_is_read_too_packed_and_from_the_standard_input()
    {
        var log = _folder["policyd.log"];
        var recorded = await RecordAsync(
            Limit(30), mails: 40, $"log_file = \"{log}\", log_format = json, log_level = 4", isRecorded: false);
        var lines = await File.ReadAllTextAsync(log, Cancel);
        await using (var file = File.Create(log + ".gz"))
        await using (var packed = new GZipStream(file, CompressionMode.Compress))
        {
            await packed.WriteAsync(System.Text.Encoding.UTF8.GetBytes(lines), Cancel);
        }

        foreach (var (path, input) in new[] { (log, ""), (log + ".gz", ""), ("-", lines) })
        {
            var result = await Command.RunAsync(input, "replay", path, "-c", recorded);
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
            Assert.Contains("requests: 120, of ", result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Packed_file_that_is_cut_short_or_damaged_is_told_and_what_is_before_is_tried()
    {
        var configuration = Configure("p.hocon", "{ name = a, module = Action, action = dunno }");
        var random = new Random(5);
        var lines = string.Concat(Enumerable.Range(0, 4000).Select(_ =>
            """{"time":"2026-11-29T10:00:00Z","message":"request answered","virtual_host":"x","plugin":"a","action":"dunno","request":"""
            + $$$"""{"request":"smtpd_access_policy","instance":"i{{{random.Next()}}}","sender":"{{{random.NextInt64()}}}@x"}}""" + "\n"));
        using var bytes = new MemoryStream();
        await using (var packing = new GZipStream(bytes, CompressionMode.Compress, leaveOpen: true))
        {
            await packing.WriteAsync(System.Text.Encoding.UTF8.GetBytes(lines), Cancel);
        }

        var whole = bytes.ToArray();
        var damaged = whole.ToArray();
        damaged[^20_000] ^= 0xff;
        damaged.AsSpan(damaged.Length - 19_999, 2_000).Clear();
        await TriedAsync("whole", [.. whole, .. whole], 0, "", 8000);
        await TriedAsync("cut", whole[..^30_000], 65, "cut short", 1);
        await TriedAsync("end", whole[..^4], 65, "cut short", 4000);
        await TriedAsync("bad", damaged, 65, "damaged, or none of gzip,", 1);
        var file = _folder.Write("none.jsonl.gz", lines);
        var none = await Command.RunAsync("", "replay", file, "-c", configuration);
        Assert.Equal(
            (65, $"policyd: no answered request was found; {file}: the compressed file is damaged, or none of gzip, after line 0\n"),
            (none.ExitCode, none.Error));

        async Task TriedAsync(string name, byte[] packed, int code, string told, int least)
        {
            var path = _folder[name + ".jsonl.gz"];
            await File.WriteAllBytesAsync(path, packed, Cancel);
            var result = await Command.RunAsync("", "replay", path, "-c", configuration, "--json");
            using var report = JsonDocument.Parse(result.Output);
            var requests = report.RootElement.GetProperty("requests").GetInt64();
            Assert.Equal((name, code, ""), (name, result.ExitCode, result.Error));
            Assert.InRange(requests, least, 8000);
            if (report.RootElement.GetProperty("incomplete").GetString() is not { } incomplete)
            {
                Assert.Equal("", told);
                return;
            }

            // Behind a damage there may be lines, and none of them a request, before it is noticed.
            Assert.Matches($"^{path}: the compressed file is {told} after line {(name == "bad" ? @"\d+" : $"{requests}")}$", incomplete);
            var shown = await Command.RunAsync("", "replay", path, "-c", configuration);
            Assert.StartsWith($"{incomplete}; the requests before it were tried\n", shown.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Counters_may_begin_with_those_of_the_database_which_stay_as_they_are()
    {
        var configuration = await RecordAsync(Limit(1_000), mails: 40);
        var before = SqliteCount();
        var lower = Configure("lower.hocon", Limit(90));
        Assert.Equal(0, (await ReplayAsync(lower)).ExitCode);
        using var report = await ReportAsync(lower, "--counters", "live");
        // The database has the 80 mails of this sender already: 10 more are let in.
        Assert.Equal(70, report.RootElement.GetProperty("different").GetInt64());
        Assert.Equal(before, SqliteCount());
        Assert.Equal(80, before);
        Assert.Equal(0, (await ReplayAsync(configuration, "--counters", "live")).ExitCode);
    }

    [Theory]
    [InlineData("empty", 2)]
    [InlineData("live", 3)]
    public async Task Spellings_that_the_table_of_MariaDB_takes_for_one_key_share_a_counter(string counters, long different)
    {
        var dsn = await mariaDb.NewDatabase();
        var database = dsn.Split('=', ';')[1];
        await mariaDb.Execute(
            $"CREATE TABLE {database}.acct_sender (`key` VARCHAR(255) NOT NULL, `time` VARCHAR(255) NOT NULL, count bigint NOT NULL, "
                + "count_rcpt bigint NOT NULL, size bigint NOT NULL, size_rcpt bigint NOT NULL, PRIMARY KEY (`key`, `time`)) "
                + "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; "
                + $"INSERT INTO {database}.acct_sender VALUES ('bob@example.com', '2026-11', 1, 1, 1, 1)");
        await SharesACounterAsync(
            $"dsn = \"{dsn}\", user = policyd, password = secret",
            ["Bob@example.com", "BOB@example.com", "bob@example.com", "bób@example.com"],
            counters,
            different);
    }

    [Theory]
    [InlineData("empty", 2)]
    [InlineData("live", 3)]
    public async Task Spellings_that_the_table_of_SQLite_takes_for_one_key_share_a_counter(string counters, long different)
    {
        SqliteFile.Execute(
            _folder["policyd.db"],
            "CREATE TABLE acct_sender (\"key\" TEXT COLLATE NOCASE NOT NULL, \"time\" TEXT NOT NULL, count INT, count_rcpt INT, size INT, "
                + "size_rcpt INT, PRIMARY KEY (\"key\", \"time\")); "
                + "INSERT INTO acct_sender VALUES ('bob@example.com', '2026-11', 1, 1, 1, 1)");
        await SharesACounterAsync(
            $"dsn = \"dbi:SQLite:dbname={_folder["policyd.db"]}\"",
            ["Bob@example.com", "BOB@example.com", "bob@example.com", "bOB@example.com"],
            counters,
            different);
    }

    [Fact]
    public async Task Nobody_is_banned_asked_or_called_and_tickets_are_those_of_the_replay()
    {
        await using var proxied = new ScriptedServer(static _ => "action=reject by the other server\n\n");
        await using var relay = new ScriptedServer(static _ => "reject by the other server");
        await RecordAsync("{ name = answer, module = Action, action = dunno }", mails: 5);
        var configuration = Configure("all.hocon", $$"""
            { name = ban, module = Fail2Ban, socket = "{{_folder["fail2ban.sock"]}}", on_error = continue },
            { name = verify, module = SMTPVerify, host = "127.0.0.1", port = {{PortOf(relay)}}, on_error = continue },
            { name = proxy, module = Proxy, host = "{{proxied.Address}}", on_error = continue },
            { name = grey, module = Greylist, use_autowl = off }
            """);
        Assert.Equal(
            "plugin proxy (Proxy) is not run in a replay: what it does may be seen outside\n", (await ReplayAsync(configuration)).Error);
        using var report = await ReportAsync(configuration, "--offline");
        var kinds = report.RootElement.GetProperty("differences").EnumerateArray()
            .Select(static one => one.GetProperty("now").GetProperty("rule").GetString());
        Assert.Equal(["grey"], kinds);
        Assert.Empty(relay.Connections);
        Assert.Empty(proxied.Connections);
    }

    [Fact]
    public async Task What_cannot_be_replayed_is_an_error_or_a_line()
    {
        var configuration = Configure("one.hocon", "{ name = answer, module = Action, action = dunno }");
        Assert.Equal(66, (await Command.RunAsync("", "replay", _folder["none"], "-c", configuration)).ExitCode);
        Assert.Equal(65, (await Command.RunAsync("", "replay", "-", "-c", configuration)).ExitCode);
        var nothing = await Command.RunAsync("nonsense\n", "replay", "-", "-c", configuration);
        Assert.Equal(65, nothing.ExitCode);
        Assert.Contains("no answered request was found; -:1: no JSON object", nothing.Error, StringComparison.Ordinal);
        Assert.Equal(65, (await Command.RunAsync("", "replay", _folder.Write("broken.gz", "no gzip"), "-c", configuration)).ExitCode);
        Assert.Equal(78, (await Command.RunAsync("", "replay", "-", "-c", _folder.Write("wrong.hocon", "policyd {"))).ExitCode);
        Assert.Equal(64, (await Command.RunAsync("", "replay", "-c", configuration)).ExitCode);
        Assert.Equal(64, (await Command.RunAsync("", "replay", "-", "-c", configuration, "--counters", "some")).ExitCode);

        var mixed = $"nonsense\n{Line("x", "a\\u001b[2J@b")}\n{Line("gone", "c@d")}\n{new string('x', 5_000_000)}\n{Line("x", "e@f")}\n";
        var two = _folder.Write("two.hocon", $$"""
            policyd { listen = ["127.0.0.1:1", "127.0.0.1:2"], virtual_hosts = [
              { name = x, port = 1, plugins = [ { name = answer, module = Action, action = "reject no" } ] }
              { name = y, port = 2, plugins = [] } ] }
            """);
        var result = await Command.RunAsync(mixed, "replay", "-", "-c", two);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("lines that could not be read: 2, the first: -:1: no JSON object", result.Error, StringComparison.Ordinal);
        Assert.Contains("not tried, since their virtual host is not in the configuration: 1", result.Error, StringComparison.Ordinal);
        Assert.Contains("answers that differ: 2", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', result.Output);

        static string Line(string host, string sender) =>
            $$$"""{"time":"2026-11-28T10:00:00Z","message":"request answered","virtual_host":"{{{host}}}","action":"dunno","""
            + $$$"""
                "request":{"sender":"{{{sender}}}"}}
                """;
    }

    [Fact]
    public async Task A_fast_lookup_takes_no_place_before_a_mail_that_came_first()
    {
        // The lookup of the first mail takes long, those of the others nothing.
        SqliteFile.Execute(_folder["policyd.db"], "CREATE TABLE nobody (name TEXT)");
        var configuration = Configure("slow.hocon", $$"""
            { name = slow, module = SqlList, field = size, match_action = "reject listed", sql_query = "{{SlowLookup}}" },
            {{Limit(1)}}
            """);
        var lines = string.Join('\n', [
            Mail("1", "00.000", "many@example.com", 1_000_000, "dunno"),
            Mail("2", "00.200", "other@example.com", 1, "dunno"),
            Mail("3", "00.400", "many@example.com", 1, "defer over the limit"),
        ]);
        var result = await Command.RunAsync(lines, "replay", "-", "-c", configuration, "--against", configuration, "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var report = JsonDocument.Parse(result.Output);
        Assert.Equal(3, report.RootElement.GetProperty("requests").GetInt64());
        Assert.Equal("2026-11-28T10:00:00+00:00", report.RootElement.GetProperty("from").GetString());
        Assert.Equal("2026-11-28T10:00:00.4+00:00", report.RootElement.GetProperty("to").GetString());
        var recorded = await Command.RunAsync(lines, "replay", "-", "-c", configuration);
        Assert.Contains("no answer differs", recorded.Output, StringComparison.Ordinal);

        static string Mail(string name, string second, string sender, int size, string action) =>
            $$$"""{"time":"2026-11-28T10:00:{{{second}}}Z","message":"request answered","virtual_host":"x","action":"{{{action}}}","""
            + $$$"""
                "request":{"protocol_state":"END-OF-MESSAGE","instance":"{{{name}}}","sender":"{{{sender}}}","size":"{{{size}}}"}}
                """;
    }

    [Fact]
    public async Task What_fails_in_either_configuration_is_told_and_a_replay_that_tried_nothing_is_no_success()
    {
        var line = """{"time":"2026-11-28T10:00:00Z","message":"request answered","virtual_host":"gone","action":"dunno","""
            + """
                "request":{"sender":"a@b"}}
                """;
        var good = Configure("good.hocon", "{ name = answer, module = Action, action = dunno }");
        var bad = Configure(
            "bad.hocon", "{ name = list, module = SqlList, field = sender, sql_query = \"SELECT 1 FROM none WHERE a = ?\", score = 1 }");
        var result = await Command.RunAsync(line, "replay", "-", "-c", good, "--against", bad);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("requests in which something failed: 1, the first: ", result.Error, StringComparison.Ordinal);

        var folder = await Command.RunAsync("", "replay", _folder.Path, "-c", good);
        Assert.Equal((66, $"policyd: {_folder.Path} is a directory, not a file\n"), (folder.ExitCode, folder.Error));

        var two = _folder.Write("two.hocon", """
            policyd { listen = ["127.0.0.1:1", "127.0.0.1:2"], virtual_hosts = [
              { name = x, port = 1, plugins = [] }, { name = y, port = 2, plugins = [] } ] }
            """);
        var nothing = await Command.RunAsync(line, "replay", "-", "-c", two);
        Assert.Equal((65, ""), (nothing.ExitCode, nothing.Output));
        Assert.Equal(
            "policyd: no request was tried, since the virtual hosts of all 1 are not in the configuration\n", nothing.Error);
    }

    // Two of the four are let in with counters that are empty, and one where the database has counted one already.
    private async Task SharesACounterAsync(string connection, string[] spellings, string counters, long different)
    {
        var lines = spellings.Select(static (sender, mail) =>
            """{"time":"2026-11-28T10:00:00Z","message":"request answered","virtual_host":"x","action":"dunno","request":"""
            + $$$"""{"protocol_state":"END-OF-MESSAGE","sender":"{{{sender}}}","instance":"{{{mail}}}","size":"10"}}""");
        var configuration = _folder.Write("spellings.hocon", $$"""
            policyd {
              listen = [ "127.0.0.1:{{_port}}" ]
              connections { db { module = Sql, {{connection}} } }
              virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ {{Limit(2)}} ] } ]
            }
            """);
        var result = await Command.RunAsync(
            string.Join('\n', lines), "replay", "-", "-c", configuration, "--counters", counters, "--json");
        Assert.Equal("", result.Error);
        using var report = JsonDocument.Parse(result.Output);
        Assert.Equal(4, report.RootElement.GetProperty("requests").GetInt64());
        Assert.Equal(different, report.RootElement.GetProperty("different").GetInt64());
    }

    private static string Limit(int limit) => Counting.Replace("LIMIT", $"{limit}", StringComparison.Ordinal);

    private static string PortOf(ScriptedServer server) => server.Address.Split(':')[^1];

    private string Configure(string name, string plugins, string root = "") => _folder.Write(
        name,
        $$"""
        policyd {
          listen = [ "127.0.0.1:{{_port}}" ]
          admin { listen = "unix:{{_folder["admin.sock"]}}" }
          connections { db { module = Sql, provider = SQLite, dsn = "Data Source={{_folder["policyd.db"]}}" } }
          {{root}}
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [ {{plugins}} ] } ]
        }
        """);

    // A third of the requests is of one sender, in two requests a mail; the rest of others.
    private async Task<string> RecordAsync(string plugins, int mails, string root = "", bool isRecorded = true)
    {
        var record = isRecorded ? $"record {{ file = \"{Recording}\" }}\n" : "";
        var file = Configure("policyd.hocon", plugins, record + root);
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        for (var mail = 0; mail < mails; mail++)
        {
            await AskAsync(client, $"a.{mail}", "many@example.com");
            await AskAsync(client, $"b.{mail}", "many@example.com");
            await AskAsync(client, $"c.{mail}", $"{mail}@example.com");
        }

        server.Terminate();
        Assert.Equal(0, await server.Exits());
        return file;
    }

    private static async Task AskAsync(PolicyClient client, string instance, string sender) => await client.AskAsync(
        PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", sender)
            .Add("recipient", "r@example.net").Add("client_address", "192.0.2.7").Add("helo_name", "mx.example.com")
            .Add("instance", instance).Add("size", "10").ToBytes(),
        Cancel);

    private Task<CommandResult> ReplayAsync(string configuration, params string[] options) =>
        Command.RunAsync("", ["replay", Recording, "-c", configuration, .. options]);

    private async Task<JsonDocument> ReportAsync(string configuration, params string[] options)
    {
        var result = await ReplayAsync(configuration, [.. options, "--json"]);
        Assert.True(result.ExitCode is 0 or 1, result.Error);
        return JsonDocument.Parse(result.Output);
    }

    private long SqliteCount() =>
        SqliteFile.Number(_folder["policyd.db"], "SELECT sum(count) FROM acct_sender WHERE \"key\" = @key", "many@example.com");
}
