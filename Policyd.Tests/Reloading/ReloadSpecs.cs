using System.Globalization;
using System.Text.Json;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.Admin;
using Policyd.Tests.Server;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Reloading;

/// <summary>A running server that reads its configuration anew: by <c>policyd reload</c> and by signals.</summary>
[ServerTest]
public sealed class ReloadSpecs(ITestOutputHelper output) : IDisposable
{
    private const string Accounting = "{ name = acct, module = Accounting, fields = sender }";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Log => _folder["policyd.log"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Next_request_on_the_same_connection_is_answered_by_the_new_configuration()
    {
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await Connect(_port);
        Assert.Equal("reject one", await Ask(client, "1"));
        Configure(Answer("reject two"));
        Assert.Equal("reject one", await Ask(client, "2"));
        var (code, said, error) = await Reload(file);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("- virtual host x: answer (Action): action = reject one\n", said, StringComparison.Ordinal);
        Assert.Contains("+ virtual host x: answer (Action): action = reject two\n", said, StringComparison.Ordinal);
        Assert.EndsWith("reloaded; lines of difference: 2\n", said, StringComparison.Ordinal);
        Assert.Equal("reject two", await Ask(client, "3"));
    }

    [Fact]
    public async Task Times_of_periodic_tasks_that_change_are_told()
    {
        var file = Configure(Answer("dunno"));
        await using var server = await PolicydProcess.Serve(file, _port);
        Configure(Answer("dunno"), "cron { tasks { daily = \"15 3 * * *\", weekly = off } }");
        var (code, said, error) = await Reload(file);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("- policyd: cron: tasks: daily = 0 0 * * *\n", said, StringComparison.Ordinal);
        Assert.Contains("+ policyd: cron: tasks: daily = 15 3 * * *\n", said, StringComparison.Ordinal);
        Assert.Contains("+ policyd: cron: tasks: weekly = off\n", said, StringComparison.Ordinal);
        Assert.EndsWith("reloaded; lines of difference: 4\n", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dry_run_tells_the_difference_and_changes_nothing()
    {
        var file = Configure(Answer("reject one"), "request_timeout = 7s");
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await Connect(_port);
        Configure($"{Answer("reject one")}, {{ name = more, module = Action, action = \"reject two\" }}");
        var result = await Command.RunAsync("", "reload", "-c", file, "--dry-run", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var report = JsonDocument.Parse(result.Output);
        Assert.False(report.RootElement.GetProperty("applied").GetBoolean());
        var changes = report.RootElement.GetProperty("changes").EnumerateArray().Select(static line => line.GetString()).ToList();
        Assert.Contains("- policyd: request_timeout = 7s", changes);
        Assert.Contains("+ policyd: request_timeout = 20s", changes);
        Assert.Contains("+ virtual host x: more (Action)", changes);
        Assert.Contains("+ virtual host x: order of the plugins = answer (Action), more (Action)", changes);
        Assert.Equal("reject one", await Ask(client, "1"));
        Assert.DoesNotContain(server.Lines, static line => line.Contains("reloaded", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_that_the_stop_of_the_server_cuts_off_is_no_error_and_what_is_told_last_is_the_stop()
    {
        var asked = new TaskCompletionSource();
        await using var silent = new AcceptLoop(async (socket, stop) =>
        {
            using var _ = socket;
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        var file = Configure(Answer("dunno"));
        using var systemd = new NotifySocket(_folder["notify"]);
        await using var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", file],
            new Dictionary<string, string> { ["STATE_DIRECTORY"] = _folder.Path, ["NOTIFY_SOCKET"] = systemd.Path });
        Assert.StartsWith("READY=1\n", systemd.Receive(), StringComparison.Ordinal);
        var dsn = $"dbi:mysql:dbname=d;host=127.0.0.1;port={silent.Port}";
        Configure(Accounting, $"connections {{ db {{ module = Sql, dsn = \"{dsn}\" }} }}");
        server.HangUp();
        await asked.Task.WaitAsync(Eventually.Timeout, Cancel);
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.EndsWith("notice: stopped", server.Lines[^1], StringComparison.Ordinal);
        Assert.StartsWith("RELOADING=1\n", systemd.Receive(), StringComparison.Ordinal);
        Assert.Equal(["STOPPING=1"], systemd.Rest());   // and not that it is ready again
        Assert.Contains(server.Lines, line => line.EndsWith($"not reloaded: {file}, since the server stops", StringComparison.Ordinal));
        Assert.DoesNotContain(server.Lines, static line => line.Contains("err:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("plugins = [ { name = a, module = Nothing } ]", "unknown module")]
    [InlineData("plugins = [ { name = a, module = Action, action = \"nonsense here\" } ]", "nonsense")]
    [InlineData("plugins = [ { name = a,, } ]", "")]
    public async Task Configuration_with_an_error_changes_nothing_and_is_shown_with_its_place(string plugins, string message)
    {
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        _folder.Write("policyd.hocon", $"policyd {{\n{Listen()}\nvirtual_hosts = [ {{ name = x, port = {_port}\n{plugins} }} ] }}");
        var (code, said, error) = await Reload(file);
        Assert.Equal((78, ""), (code, said));
        Assert.Matches($@"^{file}:\d+:\d+: ", error);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Contains("the server goes on as before", error, StringComparison.Ordinal);
        await server.Prints("not reloaded");
        await server.Prints($"err: {file}:");
        await using var client = await Connect(_port);
        Assert.Equal("reject one", await Ask(client, "1"));
    }

    [Theory]
    [InlineData("log_file = other.log", "log_file")]
    [InlineData("admin { listen = off }", "")]
    [InlineData("cron { enabled = off }", "cron")]
    [InlineData("spool { max_size = 1MiB }", "spool")]
    [InlineData("http { listen = \"127.0.0.1:9465\" }", "http")]
    [InlineData("otlp { endpoint = \"http://127.0.0.1:4318\" }", "otlp")]
    public async Task What_cannot_change_while_the_server_runs_is_named(string option, string name)
    {
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        Configure(Answer("reject two"), option);
        var (code, _, error) = await Reload(file);
        Assert.NotEqual(0, code);
        if (name.Length > 0)
        {
            Assert.Equal(78, code);
            Assert.Matches($@"{file}:\d+:\d+: {name}\b.* cannot be changed while the server runs; restart it", error);
        }

        await using var client = await Connect(_port);
        Assert.Equal("reject one", await Ask(client, "1"));
    }

    [Fact]
    public async Task Other_file_than_that_of_the_server_is_not_read()
    {
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        var other = _folder.Write("other.hocon", await File.ReadAllTextAsync(file, Cancel));
        var (code, _, error) = await Reload(other);
        Assert.Equal(64, code);
        Assert.Contains($"the server was started with {file}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_of_the_server_may_be_named_by_a_link()
    {
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        File.CreateSymbolicLink(_folder["link.hocon"], file);
        await Reloads(_folder["link.hocon"]);
    }

    [Fact]
    public async Task Listeners_come_and_go_and_requests_in_flight_on_them_are_answered()
    {
        await using var slow = new HeldServer("reject at last");
        var (gone, added) = (FreePort.Next(), FreePort.Next());
        var proxy = $"{{ name = p, module = Proxy, host = \"{slow.Address}\" }}";
        var file = Configure(proxy, ports: [_port, gone]);
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var idle = await Connect(gone);
        await using var busy = await Connect(gone);
        var answer = Ask(busy, "1");
        await slow.Asked;
        Configure(proxy, ports: [_port, added]);
        await Reloads(file);
        await Eventually.Holds("the old port to be closed", () => !FreePort.Answers(gone));
        await Assert.ThrowsAsync<PolicyClientException>(() => Eventually.Ends("the end of the idle connection", Ask(idle, "2")));
        Assert.True(FreePort.Answers(added));
        slow.Answer();
        Assert.Equal("reject at last", await Eventually.Ends("the answer", answer));
        await using var client = await Connect(added);
        Assert.Equal("reject at last", await Ask(client, "3"));
        Assert.False(server.HasExited);
    }

    [Fact]
    public async Task Port_that_another_program_has_is_an_error_that_changes_nothing()
    {
        await using var other = new ScriptedServer(static _ => null);
        var file = Configure(Answer("reject one"));
        await using var server = await PolicydProcess.Serve(file, _port);
        Configure(Answer("reject two"), ports: [_port, int.Parse(other.Address.Split(':')[^1], CultureInfo.InvariantCulture)]);
        var (code, error) = await CodeAndError(file);
        Assert.Equal(78, code);
        Assert.Contains($"cannot listen on {other.Address}: Address already in use", error, StringComparison.Ordinal);
        await using var client = await Connect(_port);
        Assert.Equal("reject one", await Ask(client, "1"));
    }

    [Fact]
    public async Task Hangup_reads_the_configuration_and_opens_the_log_anew_and_user1_only_opens_the_log()
    {
        var file = Configure(Answer("reject one"), $"log_file = \"{Log}\"");
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await Connect(_port);
        Configure(Answer("reject two"), $"log_file = \"{Log}\"");
        await Moved(server.User1, "SIGUSR1");
        Assert.Equal("reject one", await Ask(client, "1"));
        await Moved(server.HangUp, "reloaded");
        Assert.Equal("reject two", await Ask(client, "2"));

        // Half a file: the log is opened anew all the same, and the server goes on.
        await File.WriteAllTextAsync(file, "policyd {", Cancel);
        await Moved(server.HangUp, "not reloaded");
        Assert.Equal("reject two", await Ask(client, "3"));

        async Task Moved(Action signal, string part)
        {
            File.Move(Log, _folder[Guid.NewGuid().ToString("N")]);
            signal();
            await Eventually.Holds(
                $"\"{part}\" in the new log",
                () => File.Exists(Log) && File.ReadAllText(Log).Contains(part, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Sessions_stay()
    {
        const string First = """
            { name = rcpt, module = Condition, key = "r:protocol_state", match = RCPT, score = 3 }
            """;
        const string Header = "{ name = header, module = AddScoreHeader }";
        var file = Configure(First);
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await Connect(_port);
        await Ask(client, "mail", "RCPT");
        Configure($"{First}, {Header}");
        await Reloads(file);
        Assert.Contains("score=3", await Ask(client, "mail", "DATA"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_begins_to_count_and_counts_in_further_tables_and_databases()
    {
        var file = Configure(Answer("dunno"));
        await using var server = await PolicydProcess.Serve(file, _port);
        await using var client = await Connect(_port);
        await Ask(client, "1");
        foreach (var (plugins, mails) in new[]
        {
            (Accounting, 3),
            ("{ name = acct, module = Accounting, fields = \"sender,client_address\" }", 4),
            ($"{Accounting}, {{ name = second, module = Accounting, db = second, fields = sender }}", 5),
        })
        {
            Configure(plugins, plugins.Contains("second", StringComparison.Ordinal) ? Connections("db", "second") : Databases);
            await Reloads(file);
            for (var mail = 0; mail < mails; mail++)
            {
                Assert.Equal("dunno", await Ask(client, $"{mails}.{mail}"));
            }
        }

        Configure(Answer("dunno"));
        await Reloads(file);
        Assert.Equal("dunno", await Ask(client, "last"));
        Assert.Equal(12, Count("db", "acct_sender"));
        Assert.Equal(4, Count("db", "acct_client_address"));
        Assert.Equal(5, Count("second", "acct_sender"));
    }

    [Fact]
    public async Task Database_in_which_the_server_counts_cannot_be_exchanged()
    {
        var file = Configure(Accounting, Databases);
        await using var server = await PolicydProcess.Serve(file, _port);
        Configure(Accounting, Databases.Replace(_folder["db"], _folder["elsewhere"], StringComparison.Ordinal));
        var (code, error) = await CodeAndError(file);
        Assert.Equal(78, code);
        Assert.Matches("db.*restart", error);
    }

    [Fact]
    public async Task Periodic_tasks_are_those_of_the_new_configuration()
    {
        var file = Configure(Accounting, Databases);
        await using var server = await PolicydProcess.Serve(file, _port);
        await Eventually.Holds("the tasks", async () => (await Tasks(file)).Contains("hourly", StringComparison.Ordinal));
        Configure(Accounting, Databases + "\ncron { tasks { mine = \"1 2 3 4 *\", hourly = off } }");
        await Reloads(file);
        await Eventually.Holds("the new tasks", async () =>
            await Tasks(file) is var tasks
            && tasks.Contains("mine", StringComparison.Ordinal)
            && !tasks.Contains("hourly", StringComparison.Ordinal));
        Assert.Equal(0, (await Command.RunAsync("", "cron", "run", "mine", "-c", file)).ExitCode);
    }

    [Fact]
    public async Task Hundred_reloads_while_64_connections_ask_lose_no_answer_and_no_count()
    {
        const int Clients = 64;
        const int Times = 100;
        var file = Configure(Accounting, Databases);
        await using var server = await PolicydProcess.Serve(file, _port);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var asking = Enumerable.Range(0, Clients).Select(number => Asks(number, stop.Token)).ToList();
        var admin = new AdminClient(new AdminOptions { Listen = $"unix:{_folder["admin.sock"]}" }, file);
        for (var time = 0; time < Times; time++)
        {
            Configure($"{Accounting}, {{ name = extra, module = Action, action = \"prepend X-Reload: {time}\" }}", Databases);
            var report = await admin.AskAsync("reload", [], Cancel);
            Assert.True(report.GetProperty("applied").GetBoolean(), report.ToString());
        }

        await stop.CancelAsync();
        var mails = (await Eventually.Ends("all clients", Task.WhenAll(asking))).Sum();
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        output.WriteLine($"{Times} reloads, {mails} mails on {Clients} connections: all answered, {Count("db", "acct_sender")} counted");
        Assert.Equal(mails, Count("db", "acct_sender"));
        Assert.True(mails > Clients);
    }

    private static string Answer(string action) => $"{{ name = answer, module = Action, action = \"{action}\" }}";

    private string Databases => Connections("db");

    private string Connections(params string[] names) => $"connections {{ {string.Join('\n', names.Select(name =>
        $"{name} {{ module = Sql, provider = SQLite, dsn = \"Data Source={_folder[name]};Default Timeout=30\" }}"))} }}";

    private string Listen(params int[] ports) =>
        $"listen = [ {string.Join(", ", (ports.Length == 0 ? [_port] : ports).Select(static port => $"\"127.0.0.1:{port}\""))} ]\n"
        + $"admin {{ listen = \"unix:{_folder["admin.sock"]}\" }}";

    private string Configure(string plugins, string root = "", params int[] ports) => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          {{Listen(ports)}}
          {{root}}
          virtual_hosts = [ { name = x, port = [ {{string.Join(", ", ports.Length == 0 ? [_port] : ports)}} ], plugins = [ {{plugins}} ] } ]
        }
        """);

    private static async Task<(int Code, string Said, string Error)> Reload(string file)
    {
        var result = await Command.RunAsync("", "reload", "-c", file);
        return (result.ExitCode, result.Output, result.Error);
    }

    private static async Task Reloads(string file)
    {
        var (code, said, error) = await Reload(file);
        Assert.True(code == 0 && said.Contains("reloaded", StringComparison.Ordinal), error);
    }

    private static async Task<(int Code, string Error)> CodeAndError(string file)
    {
        var (code, _, error) = await Reload(file);
        return (code, error);
    }

    private static async Task<string> Tasks(string file) => (await Command.RunAsync("", "cron", "list", "-c", file)).Output;

    private static async Task<PolicyClient> Connect(int port) =>
        await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancel);

    private static Task<string> Ask(PolicyClient client, string instance, string state = "END-OF-MESSAGE") => client.AskAsync(
        PolicyRequestBuilder.AccessPolicy().Add("protocol_state", state).Add("sender", "a@example.com")
            .Add("client_address", "192.0.2.7").Add("instance", instance).Add("size", "10").ToBytes(),
        Cancel).AsTask();

    private async Task<int> Asks(int number, CancellationToken stop)
    {
        await using var client = await Connect(_port);
        var mails = 0;
        for (; !stop.IsCancellationRequested; mails++)
        {
            Assert.Matches("^(dunno|prepend X-Reload: [0-9]+)$", await Ask(client, $"{number}.{mails}"));
        }

        return mails;
    }

    private long Count(string database, string table) =>
        long.Parse(
        SqliteFile.Rows(_folder[database], $"SELECT sum(count) FROM {table}").Single(), CultureInfo.InvariantCulture);
}
