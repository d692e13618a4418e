using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Cases;

/// <summary>
/// The collected cases through the running server: the real executable, a DNS server on loopback, a real database. What each stands for is
/// tested more widely beside the module that had the fault; here nothing is replaced.
/// </summary>
[ServerTest]
public sealed class CaseSpecs(MariaDbServer mariaDb, PostgresServer postgres, ITestOutputHelper output)
{
    private const string Lost = "(no answer)";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Case_01_an_answer_of_dnswl_for_everyone_lets_nobody_pass() => await Passes("01-dnswl-over-limit", ["reject spam"]);

    [Fact]
    public async Task Case_02_a_list_that_refuses_this_resolver_refuses_no_mail()
    {
        var printed = await Passes("02-list-refuses-127.0.0.1", ["dunno"]);
        Assert.Contains(
            printed,
            line => line.Contains("uribl.example", StringComparison.Ordinal) && line.Contains("127.0.0.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Case_03_a_DSN_with_colons_names_host_and_port()
    {
        var port = PortOf(await mariaDb.NewDatabase());
        await mariaDb.Execute(
            "DROP DATABASE IF EXISTS relaystats; CREATE DATABASE relaystats; CREATE USER IF NOT EXISTS 'p'@'127.0.0.1' IDENTIFIED BY 'x'; "
                + "GRANT ALL ON relaystats.* TO 'p'@'127.0.0.1'");
        await Passes("03-mysql-dsn-with-colons", ["dunno"], text => text.Replace("DBPORT", port, StringComparison.Ordinal));
        Assert.Equal("Bob\t1", await mariaDb.Query("SELECT `key`, count FROM relaystats.acct_sasl_username"));
    }

    [Fact]
    public async Task Case_04_a_domain_in_capital_letters_beyond_ASCII_does_not_pass_SPF_by() =>
        await Passes("04-idn-capital-letters-spf", Enumerable.Repeat("reject SPF validation failed", 2));

    [Fact]
    public async Task Case_05_a_domain_beyond_ASCII_is_found_in_a_list_in_each_of_its_forms() =>
        await Passes("05-dbl-idn", Enumerable.Repeat("reject", 3));

    [Theory]
    [InlineData("latin1")]
    [InlineData("utf8mb3")]
    public async Task Case_06_a_value_that_the_column_cannot_hold_is_no_row(string charset)
    {
        var dsn = await mariaDb.NewDatabase();
        await mariaDb.Execute($"USE {DatabaseOf(dsn)}; " + new CaseFolder("06-sql-lookup-other-charset").Sql.Replace(
            "latin1", charset, StringComparison.Ordinal));
        await Passes("06-sql-lookup-other-charset", ["reject found", "dunno", "dunno"], text => OnMariaDb(text, dsn));
    }

    [Fact]
    public async Task Case_07_a_sender_that_the_table_cannot_hold_is_greylisted_all_the_same()
    {
        var dsn = await mariaDb.NewDatabase();
        await mariaDb.Execute($"USE {DatabaseOf(dsn)}; " + new CaseFolder("07-greylist-autowl-latin1").Sql);
        await Passes("07-greylist-autowl-latin1", ["defer greylisting is active"], text => OnMariaDb(text, dsn));
    }

    [Fact]
    public async Task Case_08_a_parameter_takes_the_type_of_its_column()
    {
        var dsn = await postgres.NewDatabase();
        await postgres.Execute(dsn, new CaseFolder("08-postgres-inet-column").Sql);
        await Passes("08-postgres-inet-column", ["reject found"], text => OnPostgres(text, dsn));
    }

    [Fact]
    public async Task Case_09_a_restarted_database_fails_no_mail()
    {
        var dsn = await postgres.NewDatabase();
        await postgres.Execute(dsn, new CaseFolder("09-postgres-restart-first-mail").Sql);
        await Passes(
            "09-postgres-restart-first-mail",
            ["dunno", "dunno"],
            text => OnPostgres(text, dsn),
            beforeRequest: at => at == 1
                ? postgres.Execute(
                    dsn,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
                : Task.CompletedTask);
    }

    [Fact]
    public async Task Case_10_a_window_is_named_as_strftime_names_it()
    {
        using var folder = new TemporaryFolder();
        await Passes("10-strftime-gnu-flags", ["dunno"], text => text.Replace("FOLDER", folder.Path, StringComparison.Ordinal));
        var row = Assert.Single(SqliteFile.Rows(folder["x.db"], "SELECT key, time, count FROM acct_sasl_username"));
        Assert.Matches(@"^bob\|\d{4}-[1-9]\d?-[1-9]\d?\|1$", row);
    }

    [Fact]
    public async Task Case_11_lookups_of_SPF_that_find_nothing_count_by_term() =>
        await Passes("11-spf-voids-of-mx-hosts", ["dunno", "dunno"]);

    [Fact]
    public async Task Case_12_what_was_counted_at_a_later_time_is_not_of_the_last_hour()
    {
        var library = Needs.File("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "faketime");
        using var folder = new TemporaryFolder();
        var clock = folder.Write("clock", "@2027-05-05 12:00:00");
        var times = new[]
        {
            "2027-05-05 12:00:00", "2027-05-05 12:00:10", "2026-05-05 12:00:00", "2026-05-05 14:00:00", "2026-05-06 14:00:00"
        };
        await Passes(
            "12-rolling-window-clock-put-back",
            Enumerable.Repeat("dunno", times.Length),
            text => text.Replace("FOLDER", folder.Path, StringComparison.Ordinal),
            beforeRequest: at => File.WriteAllTextAsync(clock, times[at], Cancel),
            requests: [.. times.Select((_, at) => new PolicyRequestBuilder().Add("request", "smtpd_access_policy")
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("sasl_username", "u")
                .Add("instance", $"a.{at}")
                .ToBytes())],
            environment: new Dictionary<string, string>
            {
                ["LD_PRELOAD"] = library,
                ["FAKETIME_TIMESTAMP_FILE"] = clock,
                ["FAKETIME_NO_CACHE"] = "1",
                ["DONT_FAKE_MONOTONIC"] = "1"
            });
    }

    [Fact]
    public async Task Case_13_what_the_table_takes_for_one_key_has_one_count()
    {
        var dsn = await mariaDb.NewDatabase();
        await mariaDb.Execute($"USE {DatabaseOf(dsn)}; " + new CaseFolder("13-accent-keys-one-row").Sql);
        await Passes("13-accent-keys-one-row", ["dunno", "dunno", "defer"], text => OnMariaDb(text, dsn));
        Assert.Equal("jose\t2", await mariaDb.Query($"SELECT `key`, count FROM {DatabaseOf(dsn)}.acct_sasl_username"));
    }

    [Fact]
    public async Task Case_15_a_pair_that_has_passed_is_not_made_to_wait_again()
    {
        byte[] Request(int at) => new PolicyRequestBuilder()
            .Add("request", "smtpd_access_policy")
            .Add("protocol_state", "RCPT")
            .Add("client_address", "192.0.2.1")
                .Add("sender", "a@example.org").Add("recipient", "b@example.net").Add("instance", $"a.{at}").ToBytes();

        // The second mail is sent until the pair has waited long enough; what the server answers decides, not a clock of the test's.
        await Passes(
            "15-greylist-passed-pair-waits-again",
            ["defer", "dunno", "dunno"],
            text => text.Replace("module = Greylist,", "module = Greylist, remember = 35d,", StringComparison.Ordinal),
            requests: [Request(1), Request(2), Request(3)],
            again: (at, action) => at == 1 && action.StartsWith("defer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Case_16_a_name_with_a_space_is_asked_for() => await Passes("16-spf-name-with-space", ["dunno"], configuration: """
        policyd {
          listen = ["127.0.0.1:PORT"]
          admin { listen = off }
          dns { servers = ["127.0.0.1:DNSPORT"], timeout = 2s }
          virtual_hosts = [ { name = t, port = PORT, plugins = [
            { name = spf, module = SPF, check_helo = off }
            { name = ok, module = Action, action = dunno }
          ] } ]
        }
        """);

    /// <summary>Runs a case; each answer must begin with what is expected. Gives what the server printed.</summary>
    private async Task<IReadOnlyList<string>> Passes(
        string name,
        IEnumerable<string> expected,
        Func<string, string>? fill = null,
        Func<int, Task>? beforeRequest = null,
        IReadOnlyList<byte[]>? requests = null,
        IReadOnlyDictionary<string, string>? environment = null,
        string? configuration = null,
        Func<int, string, bool>? again = null)
    {
        var given = new CaseFolder(name);
        using var folder = new TemporaryFolder();
        await using var dns = new ScriptedDnsServer();
        given.FillZone(dns);
        var port = FreePort.Next();
        var text = (fill ?? (unchanged => unchanged))(configuration ?? given.Configuration)
            .Replace("DNSPORT", $"{dns.Port}", StringComparison.Ordinal)
            .Replace("PORT", $"{port}", StringComparison.Ordinal);
        var file = folder.Write(configuration is null ? given.FileName : "config.hocon", text);

        await using var server = ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-f", "-c", file], environment, folder.Path);
        await PolicydProcess.Listens(server, port);
        var answers = new List<string>();
        foreach (var (at, request) in (requests ?? given.Requests).Index())
        {
            await (beforeRequest?.Invoke(at) ?? Task.CompletedTask);
            var answer = await Ask(port, request);
            if (again is not null && again(at, answer))
            {
                await Eventually.Holds("another answer to the same question", async () => !again(at, answer = await Ask(port, request)));
            }

            answers.Add(answer);
        }

        Assert.True(
            answers.Zip(expected, (came, wanted) => came.StartsWith(wanted, StringComparison.Ordinal)).All(fits => fits)
                && answers.Count == expected.Count(),
            $"expected {string.Join(" | ", expected)}, came {string.Join(" | ", answers)}; the server "
                + $"printed:\n{string.Join('\n', server.Lines)}");
        server.Terminate();
        await server.Exits(TimeSpan.FromMinutes(1));
        Summary.Line(output, $"case {name}: {string.Join(" | ", answers)}");
        return server.Lines;
    }

    private static async Task<string> Ask(int port, byte[] request)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);
        try
        {
            return await Eventually.Ends("an answer", client.AskAsync(request, Cancel).AsTask(), TimeSpan.FromMinutes(1));
        }
        catch (PolicyClientException)
        {
            return Lost;
        }
    }

    private static string OnMariaDb(string text, string dsn) => text
        .Replace("dbi:mysql:database=p;host=127.0.0.1;port=DBPORT", dsn, StringComparison.Ordinal)
        .Replace("user = p, password = x", "user = policyd, password = secret", StringComparison.Ordinal);

    private static string OnPostgres(string text, string dsn) =>
        text.Replace("dbi:Pg:dbname=postgres;host=127.0.0.1;port=DBPORT", dsn, StringComparison.Ordinal);

    private static string DatabaseOf(string dsn) => dsn.Split('=', ';')[1];

    private static string PortOf(string dsn) => dsn[(dsn.LastIndexOf('=') + 1)..];
}
