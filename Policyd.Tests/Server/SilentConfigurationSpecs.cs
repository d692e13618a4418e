using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// Configurations that are in order and yet do nothing, or not what was meant: <c>policyd check</c> and the start warn at the place, with
/// advice.
/// </summary>
[ServerTest]
public sealed class SilentConfigurationSpecs : IDisposable
{
    private const string Header = "{ module = AddScoreHeader }";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    // Quota: table, window, key, order.
    [InlineData(
        """{ name = q, module = Quota, field = sender, metric = count, threshold = 1 }""",
        "1: plugin q: field: no Accounting counts in the table acct_sender of connection db*")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1 }
        { name = a, module = Accounting, fields = [client_address] }
        """, "1: plugin q: field: no Accounting counts in the table acct_sender*; counted tables: acct_client_address (db)")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1, table_prefix = quota_ }
        { name = a, module = Accounting, fields = sender }
        """, "1: plugin q: field: no Accounting counts in the table quota_sender*")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1 }
        { name = a, module = Accounting, fields = sender, enabled = off }
        """, "1: plugin q: field: no Accounting*; Accounting a would, but is off")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1, time_pattern = "%Y-%m-%d" }
        { name = a, module = Accounting, fields = sender }
        """, "1: plugin q: no Accounting counts acct_sender by %Y-%m-%d, so this Quota never acts; Accounting "
            + "a counts by %Y-%m; give both*")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1, window = 1h }
        { name = a, module = Accounting, fields = sender, window = 2h }
        """, "1: plugin q: no Accounting counts acct_sender by 1h*Accounting a counts by 2h*")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1, time_pattern = "%F" }
        { name = a, module = Accounting, fields = sender, time_pattern = "%Y-%m-%d" }
        """)]
    [InlineData("""
        { name = q, module = Quota, field = net, metric = count, threshold = 1, key = "%{client_address/24}" }
        { name = a, module = Accounting, fields = net, key = "%{client_address/16}" }
        """, "1: plugin q: Accounting a counts acct_net by another key*")]
    [InlineData("""
        { name = a, module = Accounting, fields = sender }
        { name = q, module = Quota, field = sender, metric = count, threshold = 1 }
        """, "2: plugin q: it comes after Accounting a*; move it before that Accounting")]
    [InlineData("""
        { name = a, module = Accounting, fields = sender }
        { name = if, module = Condition, key = sasl_method, match = PLAIN, plugins = [ { name = q, module = Quota, field = sender, metric = count, threshold = 1 } ] }
        """, "2: plugin q: it comes after Accounting a*")]
    [InlineData("""
        { name = i1, module = Condition, key = sasl_method, match = PLAIN, plugins = [ { name = a1, module = Accounting, fields = sender } ] }
        { name = i2, module = Condition, key = sasl_method, match = X, plugins = [ { name = q, module = Quota, field = sender, metric = count, threshold = 1 }, { name = a2, module = Accounting, fields = sender } ] }
        """)]

    // Names of attributes.
    [InlineData(
        """{ name = c, module = Condition, key = sasl_user, match = x, action = dunno }""",
        "1: plugin c: key: Postfix sends no attribute \"sasl_user\", so it is never set; did you mean \"sasl_username\"?")]
    [InlineData(
        """{ name = r, module = RegexList, key = "request:Sender", regex = x, action = dunno }""",
        "1: plugin r: key: Postfix sends no attribute \"Sender\"*\"sender\"?")]
    [InlineData("""{ name = c, module = Condition, key = "session:anything", match = x, action = dunno }""")]
    [InlineData(
        """{ name = a, module = Accounting, fields = [sender, recipent] }""",
        "1: plugin a: fields: Postfix sends no attribute \"recipent\"*\"recipient\"?")]
    [InlineData(
        """{ name = l, module = SqlList, sql_query = "SELECT 1 WHERE ? = 1", field = client_adress, match_action = dunno }""",
        "1: plugin l: field: Postfix sends no attribute \"client_adress\"*\"client_address\"?")]
    [InlineData(
        """{ name = v, module = SMTPVerify, recipient_field = reciever }""",
        "1: plugin v: recipient_field: Postfix sends no attribute \"reciever\"*")]

    // Scores.
    [InlineData("""
        { name = s, module = ScoreAction, threshold = 5, action = reject }
        { name = r, module = RegexList, key = sender, regex = x, score = 5 }
        """, "1: plugin s: it comes before every plugin that scores into score*move it after r")]
    [InlineData(
        """{ name = s, module = ScoreAction, threshold = 5, action = reject }""",
        "1: plugin s: no plugin before it scores into score, so the score is always 0 here")]
    [InlineData("""
        { name = r, module = RegexList, key = sender, regex = x, score = 5 }
        { name = h, module = AddScoreHeader, score_field = spam }
        """, "2: plugin h: no plugin before it scores into spam*")]
    [InlineData("""
        { name = if, module = Condition, key = sender, match = x, plugins = [ { name = r, module = RegexList, key = sender, regex = x, score = 5 } ] }
        { name = s, module = ScoreAction, threshold = 5, action = reject }
        """)]

    // Names of plugins.
    [InlineData("""
        { name = x, module = RegexList, key = sender, regex = x, score = 5 }
        { name = if, module = Condition, key = sender, match = x, plugins = [ { name = x, module = RegexList, key = recipient, regex = x, score = 5 } ] }
        """, "2: virtual host \"v\" has two plugins with the name \"x\"*")]
    [InlineData("""
        { module = Accounting, fields = sender }
        { module = Accounting, fields = recipient }
        """, "2: virtual host \"v\" has two plugins with the name \"Accounting\"*")]
    [InlineData("""
        { name = g, module = Greylist, mode = passive, score = -5, create_ticket = off, query_autowl = off }
        { name = g, module = Greylist, use_autowl = on }
        """)]

    // What never runs, or has no effect.
    [InlineData("""
        { name = sbl, module = RBLAction, result_from = zen, re_match = "2", score = 1 }
        { name = zen, module = RBL, domain = zen.example, mode = passive }
        """, "1: plugin sbl: result_from: RBL zen comes after this plugin*")]
    [InlineData("""
        { name = a, module = Action, action = dunno }
        { name = b, module = SetField, key = k, value = v }
        """, "2: plugin b: it never runs, and neither do the plugins after it: a before it (Action) always ends*")]
    [InlineData("""
        { name = q, module = Quota, field = sender, metric = count, threshold = 1, action = reject, plugins = [ { name = n, module = Action, action = dunno } ] }
        { name = a, module = Accounting, fields = sender }
        """, "1: plugin q: plugins: the nested chain never runs: the plugin returns its own action*")]
    [InlineData("""{ name = c, module = Condition, key = sender, match = x }""", "1: plugin c: it has no effect*")]
    [InlineData("""{ name = c, module = ClearFields }""", "1: plugin c: fields: nothing is removed; set fields or fields_prefix")]
    [InlineData(
        """{ name = h, module = Honeypot, recipients = [ "trap@example.org" ], expire = 0 }""",
        "1: plugin h: expire: no client stays trapped; set a time longer than 0")]
    [InlineData("""{ name = zen, module = RBL, domain = zen.example, mode = passive }""", "1: plugin zen: it has no effect*")]
    [InlineData(
        """{ name = b, module = SetField, key = k, value = v, timeout = 30s }""",
        "1: plugin b: timeout: it has no effect because request_timeout is shorter: 20s*")]
    public async Task Check_warns_of(string plugins, params string[] expected)
    {
        var file = _folder.Write("policyd.hocon", Chain(plugins));
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.True(result.ExitCode == 0, result.Error);
        var lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length == expected.Length, result.Error);
        foreach (var (line, pattern) in lines.Zip(expected))
        {
            var (number, message) = (
                int.Parse(pattern[..pattern.IndexOf(':', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture),
                pattern[(pattern.IndexOf(':', StringComparison.Ordinal) + 2)..]);
            var regex = System.Text.RegularExpressions.Regex.Escape(message).Replace("\\*", ".*", StringComparison.Ordinal);
            Assert.Matches($"^{System.Text.RegularExpressions.Regex.Escape(file)}:{number + 4}:[0-9]+: warning: {regex}$", line);
        }
    }

    [Fact]
    public async Task Check_warns_of_a_time_that_Postfix_does_not_wait_and_of_a_connection_that_nothing_uses()
    {
        var file = _folder.Write(
            "policyd.hocon", Chain("{ module = Action, action = dunno }", "request_timeout = 2m, connections.spare { module = Redis }"));
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains(
            $"{file}:3:21: warning: request_timeout: 2m is longer than Postfix waits by default (smtpd_policy_service_timeout, 100 s)",
            result.Error,
            StringComparison.Ordinal);
        Assert.Contains($"{file}:3:43: warning: connection spare: nothing uses it", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_warns_of_files_that_cannot_be_written()
    {
        var file = _folder.Write("policyd.hocon", Chain(
            "{ module = Accounting, fields = sender }",
            $"log_file = \"{_folder["none"]}/log\", pid_file = \"{_folder.Path}\"",
            "/nowhere/x.db"));
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains($"{file}:3:14: warning: log_file: there is no folder {_folder["none"]}", result.Error, StringComparison.Ordinal);
        Assert.Contains($"pid_file: {_folder.Path} is a folder; a file is required", result.Error, StringComparison.Ordinal);
        Assert.Contains(
            $"{file}:2:42: warning: connection db: the SQLite file: there is no folder /nowhere", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_warns_of_sockets_that_cannot_be_made()
    {
        var (gone, taken) = (_folder["none"], _folder.Write("taken", ""));
        var file = _folder.Write("policyd.hocon", Chain(
            "{ module = Action, action = dunno }",
            $"listen = [\"127.0.0.1:12345\", \"unix:{gone}/p.sock\", \"unix:{taken}\"], admin {{ listen = \"unix:{gone}/a.sock\" }}"));
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains(
            $"{file}:3:32: warning: listen: there is no folder {gone} for the socket", result.Error, StringComparison.Ordinal);
        Assert.Matches($@"{file}:3:\d+: warning: admin: listen: there is no folder {gone} for the socket", result.Error);
        Assert.Contains($"warning: listen: there is something else than a socket at {taken}", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_that_two_options_write_is_an_error_at_the_second_which_names_the_first()
    {
        var more = $"log_file = \"{_folder["log"]}\", pid_file = \"{_folder.Path}/./log\", record {{ file = \"{_folder["x.db"]}\" }}";
        var file = _folder.Write("policyd.hocon", Chain("{ module = Accounting, fields = sender }", more));
        foreach (var verb in new[] { "check", "serve" })
        {
            var result = await Command.RunAsync("", verb, "-c", file);
            Assert.Equal(78, result.ExitCode);
            Assert.Matches(
                $@"{file}:3:\d+: pid_file: {_folder["log"]} is the file of log_file \(3:14\) too; each needs its own\n", result.Error);
            Assert.Matches(
                $@"{file}:2:\d+: connection db: the SQLite file: {_folder["x.db"]} is the file of record: the file \(3:\d+\) too",
                result.Error);
        }

        file = _folder.Write("policyd.hocon", Chain(
            "{ module = Accounting, fields = sender }, { module = Accounting, fields = sender, table_prefix = o, db = other }",
            $"log_file = /dev/null, pid_file = /dev/null, connections.other {{ module = Sql, dsn = \"dbi:SQLite:{_folder["x.db"]}\" }}"));
        Assert.Equal(0, (await Command.RunAsync("", "check", "-c", file)).ExitCode);
    }

    [Fact]
    public async Task Check_refuses_a_FIFO_and_a_device_where_a_file_is_read_and_does_not_wait_for_them()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux is asked what a path is");
        var fifo = _folder["fifo"];
        Assert.Equal(0, (await ProcessUnderTest.Run(Needs.Program("mkfifo"), fifo)).ExitCode);
        foreach (var (path, kind) in new[] { (fifo, "FIFO"), ("/dev/zero", "device") })
        {
            var text = Chain(
                $$"""
                { name = g, module = GeoIPLookup, database = "{{path}}" }
                { name = m, module = PostfixMap, db_file = "texthash:{{path}}", match_action = reject }
                { name = r, module = RegexList, key = sender, file = "{{path}}", action = reject }
                """,
                $$"""
                connections.l { module = Ldap, ca_file = "{{path}}" }
                connections.my { module = Sql, dsn = "dbi:mysql:database=x;mysql_read_default_file={{path}}" }
                """);
            var result = await Command.RunAsync("", "check", "--offline", "-c", _folder.Write("policyd.hocon", text));
            Assert.Equal(78, result.ExitCode);
            text = Chain("", $$"""
                connections.pg { module = Sql, dsn = "Host=127.0.0.1;Database=x;Root Certificate={{path}}", provider = PostgreSQL }
                connections.my { module = Sql, dsn = "dbi:mysql:database=x;mysql_ssl=1;mysql_ssl_ca_file={{path}}" }
                """);
            var drivers = await Command.RunAsync("", "check", "--offline", "-c", _folder.Write("policyd.hocon", text));
            Assert.Equal(2, drivers.Error.Split($"the dsn names {path} for a file, but it is a {kind}, not a file").Length - 1);
            foreach (var option in (string[])["g: database", "m: db_file", "r: file", "l: ca_file", "dsn"])
            {
                Assert.Matches($@"policyd\.hocon:\d+:\d+: [^\n]*\b{option}: [^\n]*it is a {kind}, not a file", result.Error);
            }

            text = Chain("", $$"""http { listen = "127.0.0.1:12346", tls { certificate = "{{path}}", key = "{{path}}" } }""", path);
            result = await Command.RunAsync("", "check", "--offline", "-c", _folder.Write("policyd.hocon", text));
            Assert.Matches($@"http: tls: certificate: {path} cannot be read: it is a {kind}, not a file", result.Error);

            text = Chain("{ module = Accounting, fields = sender }", $"record {{ file = \"{path}\" }}", path);
            result = await Command.RunAsync("", "check", "--offline", "-c", _folder.Write("policyd.hocon", text));
            Assert.Contains($"connection db: the SQLite file: {path}: it is a {kind}, not a file", result.Error, StringComparison.Ordinal);
            Assert.Contains($"record: the file: {path}: it is a {kind}, not a file", result.Error, StringComparison.Ordinal);
        }

        var included = _folder.Write("policyd.hocon", $"include required(file(\"{fifo}\"))\n{Chain("")}");
        Assert.Contains(
            "cannot be read: it is a FIFO, not a file",
            (await Command.RunAsync("", "check", "--offline", "-c", included)).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_as_the_servers_user_warns_of_what_this_user_cannot_write()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
        {
            Assert.Skip("only root can become another user");
            return;
        }

        var log = _folder.Write("policyd.log", "");
        File.SetUnixFileMode(log, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var file = _folder.Write("policyd.hocon", Chain("{ module = Accounting, fields = sender }", $"log_file = \"{log}\""));
        var (code, output) = await ProcessUnderTest.Run(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PolicydProcess.Executable, "check", "--offline", "-c", file);
        Assert.Equal(0, code);
        Assert.Contains($"log_file: the user nobody cannot write {log}; run check as the server's user", output, StringComparison.Ordinal);
        Assert.Contains(
            $"connection db: the SQLite file: the user nobody cannot create files in {_folder.Path}", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_logs_the_same_warnings()
    {
        var port = FreePort.Next();
        var file = _folder.Write("policyd.hocon", Chain(
            $"{{ module = Action, action = dunno }}\n{Header}",
            $"listen = [\"127.0.0.1:{port}\"], admin.listen = off").Replace("port = 12345", $"port = {port}", StringComparison.Ordinal));
        await using var server = await PolicydProcess.Serve(file, port);
        await server.Prints("plugin AddScoreHeader: it never runs");
    }

    // The plugins begin in line 5.
    private string Chain(string plugins, string more = "", string? database = null) => $$"""
        policyd {
          connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{database ?? _folder["x.db"]}}" } }
          {{more}}
          virtual_hosts = [ { name = v, port = 12345, plugins = [
        {{plugins}}
          ] } ]
        }
        """;
}
