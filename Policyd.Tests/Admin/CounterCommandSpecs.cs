using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Server.Admin.Counters;
using Policyd.Server.Commands;
using Policyd.Tests.Counters;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd counter</c> as an operator runs it, against the real server.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
[ServerTest]
public sealed class CounterCommandSpecs : IDisposable
{
    private const string Chain = """
        { name = QuotaIP, module = Quota, field = client_address, metric = count, threshold = 10, uc_threshold = quota_count }
        { name = QuotaSize, module = Quota, field = client_address, metric = size, threshold = 100000, mode = observe }
        { name = AcctIP, module = Accounting, fields = client_address }
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string DatabaseFile => _folder["counters.db"];

    private string SocketPath => _folder["admin.sock"];

    [Fact]
    public async Task Get_shows_what_was_counted_and_the_quotas()
    {
        var configuration = Configure(Chain);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.7", 3, 1000, 2);
        var text = await Counter(configuration, "get", "client_address", "192.0.2.7");
        Assert.Contains(Words(text), line => line == "counted 3 6 3000 6000");
        Assert.Contains(Words(text), line => line == "QuotaIP 10* 30.0 %");
        Assert.Contains(Words(text), line => line == "QuotaSize (observe) 100000 3.0 %");
        Assert.Contains("unless the mail's session has quota_count", text, StringComparison.Ordinal);

        var window = Assert.Single(
            (await Json(configuration, "get", "acct_client_address", "192.0.2.7")).GetProperty("windows").EnumerateArray());
        Assert.Equal(
            DateTime.Now.ToString("yyyy-MM", CultureInfo.InvariantCulture), window.GetProperty("window").GetProperty("name").GetString());
        Assert.Equal((3, 6, 3000, 6000), Sums(window.GetProperty("sums")));
        Assert.Equal(30, window.GetProperty("quotas")[0].GetProperty("used_percent").GetDouble());

        var nobody = await Json(configuration, "get", "client_address", "nobody");
        Assert.Equal((0, 0, 0, 0), Sums(nobody.GetProperty("windows")[0].GetProperty("sums")));
    }

    [Fact]
    public async Task Sums_up_to_the_largest_are_shown_with_their_part_of_a_limit_and_a_list_of_none_says_nothing_of_the_mail()
    {
        var configuration = Configure(Chain);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Json(configuration, "set", "client_address", "192.0.2.7", $"count={long.MaxValue}");
        var got = await Json(configuration, "get", "client_address", "192.0.2.7");
        var used = got.GetProperty("windows")[0].GetProperty("quotas")[0].GetProperty("used_percent").GetDouble();
        Assert.Equal(10.0 * long.MaxValue, used, tolerance: 1e6);
        Assert.DoesNotContain(
            "no mail was counted", await Counter(configuration, "list", "client_address", "--limit", "0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_shows_what_mails_that_are_not_counted_yet_hold()
    {
        var counting = FreePort.Next();
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}", "127.0.0.1:{{counting}}"], admin { listen = "unix:{{SocketPath}}" }
              connections { db { module = Sql, dsn = "Data Source={{DatabaseFile}}", provider = SQLite } }
              virtual_hosts = [
                { name = check, port = {{_port}}, plugins = [ { name = q, module = Quota, field = client_address, metric = count, threshold = 5 } ] }
                { name = count, port = {{counting}}, plugins = [ { name = a, module = Accounting, fields = client_address } ] } ] }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using var client = await Connect();
        Assert.Equal("dunno", await Ask(client, "192.0.2.7", "1", 1000, 3));
        var window = (await Json(configuration, "get", "client_address", "192.0.2.7")).GetProperty("windows")[0];
        Assert.Equal((0, 0, 0, 0), Sums(window.GetProperty("sums")));
        Assert.Equal(1, window.GetProperty("reserved").GetProperty("mails").GetInt32());
        Assert.Equal((1, 3, 1000, 3000), Sums(window.GetProperty("reserved").GetProperty("sums")));
        Assert.Contains(
            Words(await Counter(configuration, "get", "client_address", "192.0.2.7")), line => line == "reserved by 1 mail 1 3 1000 3000");
    }

    [Fact]
    public async Task List_is_ordered_by_the_metric_and_shows_how_much_of_each_quota_is_used()
    {
        var configuration = Configure(Chain);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.1", 1, 90000, 1);
        await Send("192.0.2.2", 5, 100, 1);
        await Send("192.0.2.3", 2, 100, 10);
        Assert.Equal(["192.0.2.2", "192.0.2.3", "192.0.2.1"], await Keys());
        Assert.Equal(["192.0.2.1", "192.0.2.2", "192.0.2.3"], await Keys("--by", "size"));
        Assert.Equal(["192.0.2.3", "192.0.2.2", "192.0.2.1"], await Keys("--by", "count_rcpt"));
        Assert.Equal(["192.0.2.1"], await Keys("--by", "size_rcpt", "--limit", "1"));
        Assert.Empty(await Keys("--window", "2001-01"));

        var lines = Words(await Counter(configuration, "list", "acct_client_address", "--by", "size"));
        Assert.Contains("key count count_rcpt size ↓ size_rcpt QuotaIP QuotaSize (observe)", lines);
        Assert.Contains("192.0.2.1 1 1 90000 90000 10.0 % 90.0 %", lines);
        Assert.Contains("192.0.2.2 5 5 500 500 50.0 % 0.5 %", lines);

        async Task<string[]> Keys(params string[] options) =>
            [.. (await Json(configuration, "list", "client_address", options)).GetProperty("rows")
                .EnumerateArray()
                .Select(row => row.GetProperty("key").GetString()!)];
    }

    [Fact]
    public async Task User_without_a_limit_is_counted_and_shown_as_unlimited()
    {
        var configuration = Configure("""
            { name = SetLimit, module = SetField, key = quota_count, value = "Unlimited" }
            { name = QuotaIP, module = Quota, field = client_address, metric = count, threshold = 2, uc_threshold = quota_count }
            { name = QuotaSize, module = Quota, field = client_address, metric = size, threshold = UNLIMITED }
            { name = AcctIP, module = Accounting, fields = client_address }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.7", 5, 1000, 1);

        Assert.Contains(
            Words(await Counter(configuration, "list", "client_address")), line => line == "192.0.2.7 5 5 5000 5000 of own unlimited");
        Assert.Contains(Words(await Counter(configuration, "get", "client_address", "192.0.2.7")), line => line == "QuotaSize unlimited");
        var quotas = (await Json(configuration, "get", "client_address", "192.0.2.7")).GetProperty("windows")[0].GetProperty("quotas");
        Assert.Equal("unlimited", quotas[0].GetProperty("own_threshold").GetString());
        Assert.Equal(JsonValueKind.Null, quotas[0].GetProperty("used_percent").ValueKind);
        Assert.Equal("unlimited", quotas[1].GetProperty("threshold").GetString());
        Assert.Equal(JsonValueKind.Null, quotas[1].GetProperty("own_threshold").ValueKind);
    }

    [Fact]
    public async Task Set_counter_is_refused_by_its_quota_and_a_reset_one_admitted()
    {
        var configuration = Configure(Chain);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using var client = await Connect();
        Assert.Equal("dunno", await Ask(client, "192.0.2.7", "1", 500, 2));

        var set = await Json(configuration, "set", "client_address", "192.0.2.7", "count=10");
        Assert.Equal((1, 2, 500, 1000), Sums(set.GetProperty("before")));
        Assert.Equal((10, 2, 500, 1000), Sums(set.GetProperty("after")));
        Assert.Equal("defer smtp traffic quota has been exceeded", await Ask(client, "192.0.2.7", "2", 500, 2));

        var text = Words(await Counter(configuration, "reset", "client_address", "192.0.2.7"));
        Assert.Contains("before 10 2 500 1000", text);
        Assert.Contains("after 0 0 0 0", text);
        Assert.Equal("dunno", await Ask(client, "192.0.2.7", "3", 500, 2));
        Assert.Equal(new CounterAmounts(1, 2, 500, 1000), Stored("192.0.2.7"));
        Assert.Contains("uid ", await server.Prints("set acct_client_address 192.0.2.7"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rolling_window_is_set_as_a_whole()
    {
        var configuration = Configure(
            "{ name = q, module = Quota, field = sender, metric = count, threshold = 4200, window = 5m }, { name = a, module = Accounting, "
                + "fields = sender, window = 5m }");
        await using var server = await PolicydProcess.Serve(configuration, _port);

        // Five seconds a bucket: the mails are to stand in more than one.
        await using var client = await Connect();
        var mail = 0;
        await Eventually.Holds("mails in two buckets", async () =>
        {
            await Ask(client, "192.0.2.7", $"{mail++}", 10, 1);
            return Rows("acct_sender") > 1;
        });
        var set = await Json(configuration, "set", "sender", "a@example.com", "count=42");
        Assert.Equal((mail, mail, 10 * mail, 10 * mail), Sums(set.GetProperty("before")));
        Assert.Equal((42, mail, 10 * mail, 10 * mail), Sums(set.GetProperty("after")));
        var got = (await Json(configuration, "get", "sender", "a@example.com", "--window", "5m")).GetProperty("windows")[0];
        Assert.Equal("5m", got.GetProperty("window").GetProperty("rolling").GetString());
        Assert.Equal(1, got.GetProperty("quotas")[0].GetProperty("used_percent").GetDouble());
        Assert.Equal((0, 0, 0, 0), Sums((await Json(configuration, "reset", "sender", "a@example.com")).GetProperty("after")));
        Assert.Equal((0, 0, 0, 0), Sums((await Json(configuration, "list", "sender")).GetProperty("rows")[0].GetProperty("sums")));
    }

    [Fact]
    public async Task Commands_while_mail_is_counted_lose_nothing_and_a_reset_tells_exactly_what_it_took()
    {
        const int Clients = 6;
        const int Mails = 150;
        var configuration = Configure("{ name = a, module = Accounting, fields = client_address }");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var answered = 0;
        var clients = Task.WhenAll(Enumerable.Range(0, Clients).Select(async number =>
        {
            await using var client = await Connect();
            for (var mail = 0; mail < Mails; mail++)
            {
                Assert.Equal("dunno", await Ask(client, "192.0.2.7", $"{number}.{mail}", 10, 1));
                Interlocked.Increment(ref answered);
            }
        }));
        await Eventually.Holds("some mails", () => Volatile.Read(ref answered) > 20);
        var taken = 0L;
        while (!clients.IsCompleted)
        {
            var before = Sums((await Json(configuration, "reset", "client_address", "192.0.2.7")).GetProperty("before"));
            Assert.Equal(10 * before.Count, before.Size);
            taken += before.Count;
            var seen = Sums(
                (await Json(configuration, "get", "client_address", "192.0.2.7")).GetProperty("windows")[0].GetProperty("sums"));
            Assert.InRange(seen.Count, 0, Clients * Mails);
        }

        await clients;
        Assert.Equal(Clients * Mails, taken + Stored("192.0.2.7").Count);
    }

    [Fact]
    public async Task What_does_not_fit_is_told_in_one_line()
    {
        var configuration = Configure("""
            { name = m, module = Accounting, fields = "client_address,sender" }
            { name = d, module = Accounting, fields = sender, time_pattern = "%Y-%m-%d" }
            { name = h, module = Accounting, fields = recipient, window = 1h }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Fails(
            "there is no counter table \"clint_address\"; did you mean \"client_address\"? Known tables: "
                + "acct_client_address, acct_sender, acct_recipient", "get", "clint_address", "x");
        await Fails("acct_sender has several windows; name one with --window; available: %Y-%m, %Y-%m-%d", "reset", "sender", "x");
        await Fails(
            "\"2026-1\" is not a window of acct_client_address; available: %Y-%m",
            "set",
            "client_address",
            "x",
            "count=1",
            "--window",
            "2026-1");
        await Fails(
            "w3600:1700000000 is one part of a rolling window; name a rolling window by its length; available: 1h",
            "get",
            "recipient",
            "x",
            "--window",
            "w3600:1700000000");
        await Fails("\"2h\" is not a window of acct_recipient; available: 1h", "get", "recipient", "x", "--window", "2h");
        await Fails(
            "--db: nothing is counted in a connection \"other\"; connections with counters: db", "get", "sender", "x", "--db", "other");
        await Fails(
            "there is no metric \"mails\"; available: count, count_rcpt, size, size_rcpt", "list", "client_address", "--by", "mails");
        await Fails("limit must be a whole number from 0 to 10000", "list", "client_address", "--limit", "10001");
        await Fails("there is no metric \"cuont\"; did you mean \"count\"?", "set", "client_address", "x", "cuont=1");
        await Fails("expected count=VALUE with a whole number of at least 0, found \"count=-1\"", "set", "client_address", "x", "count=-1");
        await Fails("count is given twice", "set", "client_address", "x", "count=1", "count=2");
        Assert.Equal(2, (await Json(configuration, "get", "sender", "x")).GetProperty("windows").GetArrayLength());
        Assert.Equal("2026-11-05", (await Json(configuration, "reset", "sender", "x", "--window", "2026-11-05")).GetProperty("window")
            .GetProperty("name")
            .GetString());
        Assert.Equal("%Y-%m", (await Json(configuration, "reset", "sender", "x", "--window", "%Y-%m")).GetProperty("window")
            .GetProperty("time_pattern")
            .GetString());

        async Task Fails(string message, params string[] arguments)
        {
            var result = await Command.RunAsync("", ["counter", .. arguments, "-c", configuration]);
            Assert.Equal((64, $"policyd: {message}\n", ""), (result.ExitCode, result.Error, result.Output));
        }
    }

    [Fact]
    public async Task A_key_from_the_network_cannot_drive_the_terminal()
    {
        var configuration = Configure("{ name = a, module = Accounting, fields = sender }");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using var client = await Connect();
        const string Evil = "a\u001b[2J\u202e[red]@example.com";
        await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("sender", Evil).Add("instance", "1").ToBytes(), Cancel);
        var text = await Counter(configuration, "list", "sender");
        Assert.Contains("a\\x1b[2J\\u202e[red]@example.com", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', text);
        Assert.Equal(Evil, (await Json(configuration, "list", "sender")).GetProperty("rows")[0].GetProperty("key").GetString());
        Assert.Equal(1, Sums((await Json(configuration, "get", "sender", Evil)).GetProperty("windows")[0].GetProperty("sums")).Count);
    }

    [Fact]
    public async Task Without_a_server_the_command_says_where_it_looked_and_ends_with_69()
    {
        var result = await Command.RunAsync("", "counter", "get", "client_address", "x", "-c", Configure(Chain));
        Assert.Equal(
            (69, $"policyd: no server answers at unix:{SocketPath}: the socket does not exist; check that the server "
                + $"runs with this configuration\n"),
            (result.ExitCode, result.Error));

        await File.WriteAllTextAsync(SocketPath, "", Cancel);
        Assert.Equal(69, (await Command.RunAsync("", "counter", "list", "client_address", "-c", Configure(Chain))).ExitCode);

        var off = await Command.RunAsync("", "counter", "list", "client_address", "-c", Configure(Chain, "off"));
        Assert.Equal(69, off.ExitCode);
        Assert.Contains("admin { listen = off }", off.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Locked_database_is_an_error_and_no_hang()
    {
        var configuration = Configure(Chain, lockWait: 1); // a lock is no outage: what is asked is done when it is gone
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.7", 1, 10, 1);
        await using (var other = new SqliteConnection($"Data Source={DatabaseFile}"))
        {
            other.Open();
            using var locking = other.CreateCommand();
            locking.CommandText = "BEGIN IMMEDIATE";
            locking.ExecuteNonQuery();
            var result = await Command.RunAsync("", "counter", "set", "client_address", "192.0.2.7", "count=5", "-c", configuration);
            Assert.Equal(69, result.ExitCode);
            Assert.Contains(
                "the database of connection db is unavailable or slow: it timed out after ", result.Error, StringComparison.Ordinal);
            Assert.Equal(69, (await Command.RunAsync("", "counter", "list", "client_address", "-c", configuration)).ExitCode);
            locking.CommandText = "ROLLBACK";
            locking.ExecuteNonQuery();
        }

        await Eventually.Holds("the change in the table", () => Stored("192.0.2.7") == new CounterAmounts(5, 1, 10, 10));
    }

    [Fact]
    public async Task The_endpoint_of_a_killed_server_is_taken_over_and_a_living_ones_is_not()
    {
        var configuration = Configure(Chain);
        await using (var killed = await PolicydProcess.Serve(configuration, _port))
        {
            killed.Kill();
            await killed.Exits();
        }

        Assert.True(File.Exists(SocketPath), "the file that the killed server left");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
        await Json(configuration, "list", "client_address");
        var second = await Command.RunAsync("", "serve", "-c", configuration);
        Assert.Equal(
            (71, $"policyd: cannot listen on unix:{SocketPath}: another server is listening on it\n"), (second.ExitCode, second.Error));
        await Json(configuration, "list", "client_address");
    }

    [Fact]
    public async Task A_loopback_port_serves_as_well_and_one_that_others_reach_is_a_configuration_error()
    {
        var admin = FreePort.Next();
        var configuration = Configure(Chain, $"127.0.0.1:{admin}");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.7", 1, 10, 1);
        Assert.Equal(
            1, Sums((await Json(configuration, "get", "client_address", "192.0.2.7")).GetProperty("windows")[0].GetProperty("sums")).Count);

        var open = Configure(Chain, "0.0.0.0:4711");
        var check = await Command.RunAsync("", "check", "-c", open);
        Assert.Equal(78, check.ExitCode);
        Assert.StartsWith($"{open}:2:", check.Error, StringComparison.Ordinal);
        Assert.Contains("can be reached from other hosts", check.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_of_akka_have_no_prefix_of_their_own()
    {
        // At its debug level Akka speaks at every start; of what it says at a stop some is lost, when its logger has ended first.
        await using var server = await PolicydProcess.Serve(Configure(Chain, akka: "akka { loglevel = DEBUG }"), _port, "-l", "4");
        await Eventually.Holds("a line of Akka", () => server.Lines.Any(line => line.Contains(" akka: ", StringComparison.Ordinal)));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.All(server.Lines, line => Assert.Matches(@"^\d{4}-\d\d-\d\dT[0-9:.+-]+ (err|warning|notice|info|debug): [^\[]", line));
    }

    [Fact]
    public async Task MariaDb_that_is_away_is_told_within_seconds_and_is_well_again_when_it_is_back()
    {
        await using var database = new MariaDbServer();
        var configuration = _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{SocketPath}}" }
              connections { db { module = Sql, dsn = "{{await database.NewDatabase()}}", user = policyd, password = secret } }
              virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ {{Chain}} ] } ] }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send("192.0.2.7", 2, 10, 1);
        Assert.Equal(
            (8, 2, 20, 20), Sums((await Json(configuration, "set", "client_address", "192.0.2.7", "count=8")).GetProperty("after")));
        Assert.Equal(
            (8, 2, 20, 20), Sums((await Json(configuration, "list", "client_address")).GetProperty("rows")[0].GetProperty("sums")));

        await database.Stop();
        foreach (var arguments in new string[][]
        {
            ["set", "client_address", "192.0.2.7", "count=1"], ["list", "client_address"], ["get", "client_address", "192.0.2.8"]
        })
        {
            var result = await Command.RunAsync("", ["counter", .. arguments, "-c", configuration]);
            Assert.Equal((69, ""), (result.ExitCode, result.Output));
            Assert.StartsWith("policyd: ", result.Error, StringComparison.Ordinal);
        }

        // The owner still knows the sums: the quota holds, and ends with the second of these mails.
        await Send("192.0.2.7", 2, 10, 1);
        await using (var client = await Connect())
        {
            Assert.Equal(
                "defer smtp traffic quota has been exceeded", await Ask(client, "192.0.2.7", Guid.NewGuid().ToString(), 10, 1));
        }

        foreach (var arguments in new string[][] { ["list", "client_address"], ["get", "client_address", "192.0.2.8"] })
        {
            Assert.Matches(
                @"; deferred mails: ([1-9]\d*), of them in the spool: \1\b",
                (await Command.RunAsync("", ["counter", .. arguments, "-c", configuration])).Error);
        }

        await database.Start();
        await Eventually.Holds("the counters to be well again", async () =>
            (await Command.RunAsync("", "counter", "reset", "client_address", "192.0.2.7", "-c", configuration)).ExitCode == 0);
        Assert.Equal(
            (0, 0, 0, 0),
            Sums((await Json(configuration, "get", "client_address", "192.0.2.7")).GetProperty("windows")[0].GetProperty("sums")));
    }

    [Fact]
    public void Mails_that_wait_for_the_database_are_shown_below_the_sums_and_in_json_only_when_there_are_some()
    {
        var deferred = new DeferredReport(120, 118, "connection refused");
        using var output = new StringWriter();
        new CounterView(output).Write(new GetReport("db", "acct_sender", "a", [], deferred));
        Assert.Equal(
            "the database of db takes no counts; deferred mails: 120, of them in the spool: 118: connection refused\n",
            output.ToString());
        Assert.Equal(
            """{"connection":"db","table":"acct_sender","key":"a","windows":[],"deferred":{"mails":120,"in_spool":118,"reason":"x"}}""",
            JsonOf(deferred with { Reason = "x" }));
        Assert.Equal("""{"connection":"db","table":"acct_sender","key":"a","windows":[]}""", JsonOf(null));

        static string JsonOf(DeferredReport? deferred) => JsonSerializer.Serialize(
            new GetReport("db", "acct_sender", "a", [], deferred), CounterReports.Default.GetReport);
    }

    public void Dispose() => _folder.Dispose();

    // The wait for a lock is long where a test needs none: a busy machine's slow disk must not look like a database that is away.
    private string Configure(string plugins, string? admin = null, int lockWait = 30, string akka = "") =>
        _folder.Write("policyd.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{_port}}"]
              admin { listen = "{{admin ?? "unix:" + SocketPath}}" }
              connections { db { module = Sql, dsn = "Data Source={{DatabaseFile}};Default Timeout={{lockWait}}", provider = SQLite } }
              virtual_hosts = [ { name = counting, port = {{_port}}, plugins = [ {{plugins}} ] } ] }
            {{akka}}
            """);

    private static async Task<string> Counter(string configuration, params string[] arguments)
    {
        var result = await Command.RunAsync("", ["counter", .. arguments, "-c", configuration]);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        return result.Output;
    }

    private static Task<JsonElement> Json(string configuration, string verb, string table, params string[] rest) =>
        Json(configuration, [verb, table, .. rest]);

    private static async Task<JsonElement> Json(string configuration, string[] arguments)
    {
        using var document = JsonDocument.Parse(await Counter(configuration, [.. arguments, "--json"]));
        return document.RootElement.Clone();
    }

    private static (long Count, long CountRcpt, long Size, long SizeRcpt) Sums(JsonElement sums) =>
        (
            sums.GetProperty("count").GetInt64(),
            sums.GetProperty("count_rcpt").GetInt64(),
            sums.GetProperty("size").GetInt64(),
            sums.GetProperty("size_rcpt").GetInt64());

    private static string[] Words(string text) =>
        [.. text.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))];

    private async Task<PolicyClient> Connect() => await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);

    private async Task Send(string address, int mails, int size, int recipients)
    {
        await using var client = await Connect();
        for (var mail = 0; mail < mails; mail++)
        {
            Assert.Equal("dunno", await Ask(client, address, Guid.NewGuid().ToString(), size, recipients));
        }
    }

    private static async Task<string> Ask(PolicyClient client, string address, string instance, int size, int recipients) =>
        await client.AskAsync(
            PolicyRequestBuilder
                .AccessPolicy()
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("client_address", address)
                .Add("sender", "a@example.com")
                .Add("instance", instance)
                    .Add("size", $"{size}").Add("recipient_count", $"{recipients}").ToBytes(),
            Cancel);

    private CounterAmounts Stored(string key) => MailUnderTest.SumsOf(DatabaseFile, "client_address", key);

    private long Rows(string table) => SqliteFile.Number(DatabaseFile, $"SELECT count(*) FROM {table}");
}
