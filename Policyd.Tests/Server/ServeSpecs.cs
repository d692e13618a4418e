using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Policyd.Protocol;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>The built executable as a server: started, asked, signalled.</summary>
[ServerTest]
public sealed class ServeSpecs : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("policyd-serve-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_server_answers_soon_after_its_start_and_ends_with_0_at_SIGTERM()
    {
        var pidFile = Path.Combine(_folder, "pid");
        var clock = Stopwatch.StartNew();
        await using var server = Start(await WriteAsync(AddScoreHeader, $"pid_file = \"{pidFile}\""));
        var endpoint = await ListeningAsync(server);
        await using (var client = await PolicyClient.ConnectAsync(endpoint, Cancellation))
        {
            var answer = await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "a\u001b1").ToBytes(), Cancellation);
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"first answer {clock.ElapsedMilliseconds} ms after the start (build without ahead-of-time compilation)");
            Assert.Equal("PREPEND X-MtScore: NO score=0", answer);
        }

        // The first requests are answered before the file is written.
        await Eventually.Holds(
            "the number of the process in pid_file",
            () => File.Exists(pidFile) && File.ReadAllText(pidFile).Trim() == server.Id.ToString(CultureInfo.InvariantCulture));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.False(File.Exists(pidFile), "the pid_file is still there");
        var line = Assert.Single(server.Lines, line => line.Contains("instance=", StringComparison.Ordinal));
        Assert.Matches(
            @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d notice: x: "
                + @"instance=""a\\x1b1"" plugin=t action=""PREPEND X-MtScore: NO score=0"" elapsed_ms=\d+\.\d$",
            line);
    }

    [Fact]
    public async Task A_request_in_flight_at_SIGTERM_is_answered()
    {
        await using var slow = new HeldServer("reject at last");
        await using var server = Start(await WriteAsync($"{{ name = p, module = Proxy, host = \"{slow.Address}\" }}"));
        var endpoint = await ListeningAsync(server);
        await using var client = await PolicyClient.ConnectAsync(endpoint, Cancellation);
        var answer = client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToBytes(), Cancellation).AsTask();
        await slow.Asked;
        server.Terminate();
        await server.Prints("draining");
        await Eventually.Holds("the listener to be closed", () => !FreePort.Answers(endpoint.Port));
        slow.Answer();
        Assert.Equal("reject at last", await Eventually.Ends("the answer", answer));
        Assert.Equal(0, await server.Exits());
    }

    [Fact]
    public async Task A_port_in_use_is_told_in_one_line_and_ends_with_71()
    {
        await using var other = new ScriptedServer(static _ => null);
        var file = await WriteAsync(AddScoreHeader, listen: other.Address);
        var result = await Command.RunAsync("", "serve", "-c", file);
        Assert.Equal((71, $"policyd: cannot listen on {other.Address}: Address already in use\n"), (result.ExitCode, result.Error));
        Assert.DoesNotContain("   at ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_file_is_written_and_opened_anew_at_SIGHUP()
    {
        var log = Path.Combine(_folder, "policyd.log");
        await using var server = Start(await WriteAsync(AddScoreHeader, $"log_file = \"{log}\""));
        await Eventually.Holds(
            "a line in the log file", () => File.Exists(log) && File.ReadAllText(log).Contains("listening on", StringComparison.Ordinal));
        File.Move(log, log + ".1");
        server.HangUp();
        await Eventually.Holds(
            "a line in the new log file", () => File.Exists(log) && File.ReadAllText(log).Contains("SIGHUP", StringComparison.Ordinal));
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        Assert.EndsWith("notice: stopped\n", await File.ReadAllTextAsync(log, Cancellation), StringComparison.Ordinal);
        Assert.Empty(server.Lines);
    }

    [Theory]
    [InlineData("log_file")]
    [InlineData("pid_file")]
    public async Task A_file_that_cannot_be_written_is_told_in_one_line_and_ends_with_73(string option)
    {
        var result = await Command.RunAsync("", "-c", await WriteAsync(AddScoreHeader, $"{option} = \"{_folder}/none/file\""));
        Assert.Equal(73, result.ExitCode);
        Assert.StartsWith("policyd: cannot ", result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task A_service_of_systemd_tells_when_it_is_ready_and_when_it_stops()
    {
        using var systemd = new NotifySocket(Path.Combine(_folder, "notify"));
        var file = await WriteAsync(AddScoreHeader);
        await using var server = ProcessUnderTest.Start(
            "/bin/sh",
            ["-c", $"SYSTEMD_EXEC_PID=$$ exec \"{PolicydProcess.Executable}\" serve -c \"{file}\""],
            new Dictionary<string, string> { ["NOTIFY_SOCKET"] = systemd.Path });
        Assert.Equal($"READY=1\nSTATUS=serves x on {(await ListeningAsync(server))}", systemd.Receive());
        await ListeningAsync(server);
        server.HangUp();
        Assert.Matches(@"^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*$", systemd.Receive());
        Assert.StartsWith("READY=1\n", systemd.Receive(), StringComparison.Ordinal);
        server.Terminate();
        Assert.Equal("STOPPING=1", systemd.Receive());
        Assert.Equal(0, await server.Exits());
    }

    [Fact]
    public async Task Watchdog_of_systemd_hears_of_requests_that_were_answered()
    {
        using var systemd = new NotifySocket(Path.Combine(_folder, "notify"));
        var file = await WriteAsync(AddScoreHeader);
        await using var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", file],
            new Dictionary<string, string> { ["NOTIFY_SOCKET"] = systemd.Path, ["WATCHDOG_USEC"] = "600000" });
        for (var alive = 0; alive < 3;)
        {
            alive += systemd.Receive() == "WATCHDOG=1" ? 1 : 0;
        }
    }

    [Fact]
    public async Task Port_that_systemd_holds_is_used_and_who_connected_before_the_start_is_answered()
    {
        var systemd = Needs.Program("systemd-socket-activate");
        var (port, forgotten) = (FreePort.Next(), FreePort.Next());
        var file = await WriteAsync(AddScoreHeader, listen: $"127.0.0.1:{port}");
        await using var server = ProcessUnderTest.Start(
            systemd,
            [
                "-l", $"127.0.0.1:{port}", "-l", $"127.0.0.1:{forgotten}", "-E", $"STATE_DIRECTORY={_folder}",
                PolicydProcess.Executable, "serve", "-c", file,
            ]);

        // The server is started by this connection, and accepts it later.
        await Eventually.Holds("systemd to listen", () => ListeningSockets.Of(server.Id).Count > 0);
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancellation);
        var answer = client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToBytes(), Cancellation).AsTask();
        Assert.Equal("PREPEND X-MtScore: NO score=0", await Eventually.Ends("the answer", answer, TimeSpan.FromMinutes(3)));
        await server.Prints($"listening on 127.0.0.1:{port}");
        await server.Prints($"the service manager has passed 127.0.0.1:{forgotten}, and listen does not name it");
    }

    [Fact]
    public async Task Port_that_systemd_holds_under_another_address_is_named_when_it_is_in_use()
    {
        var systemd = Needs.Program("systemd-socket-activate");
        var port = FreePort.Next();
        var file = await WriteAsync(AddScoreHeader, listen: $"127.0.0.1:{port}");
        await using var server = ProcessUnderTest.Start(
            systemd, ["-l", $"0.0.0.0:{port}", "-E", $"STATE_DIRECTORY={_folder}", PolicydProcess.Executable, "serve", "-c", file]);
        await Eventually.Holds("systemd to listen", () => ListeningSockets.Of(server.Id).Count > 0);
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", port), Cancellation);
        await server.Prints($"the service manager has passed 0.0.0.0:{port}, which listen must name in the same way");
    }

    /// <summary>What is loaded once stays: each of these is between one and fifteen megabytes of an idle server.</summary>
    [Fact]
    public async Task A_server_has_no_library_in_memory_that_its_configuration_does_not_need()
    {
        await using var server = Start(await WriteAsync(AddScoreHeader));
        await using (var client = await PolicyClient.ConnectAsync(await ListeningAsync(server), Cancellation))
        {
            await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToBytes(), Cancellation);
        }

        string[] needless =
        [
            "Newtonsoft.Json", "System.ComponentModel.TypeConverter", "System.Text.Json", "linq2db", "LanguageExt.Core",
            "Akka.Persistence.Sql", "Akka.Remote", "Akka.Cluster", "DotNetty.Common", "Google.Protobuf", "Npgsql", "MySqlConnector",
            "Microsoft.Data.Sqlite", "StackExchange.Redis", "Microsoft.Extensions.Logging.Console", "Microsoft.Extensions.Logging.EventLog",
        ];
        var mapped = await File.ReadAllTextAsync($"/proc/{server.Id}/maps", Cancellation);
        Assert.Contains("/Akka.Streams.dll", mapped, StringComparison.Ordinal);
        Assert.DoesNotContain(needless, library => mapped.Contains($"/{library}.dll", StringComparison.Ordinal));
    }

    private const string AddScoreHeader = "{ name = t, module = AddScoreHeader }";

    private static ProcessUnderTest Start(string configuration, params string[] arguments) =>
        ProcessUnderTest.Start(PolicydProcess.Executable, ["serve", "-c", configuration, .. arguments]);

    private static async Task<PolicyEndpoint> ListeningAsync(ProcessUnderTest server)
    {
        var line = await server.Prints("listening on ");
        Assert.True(PolicyEndpoint.TryParse(line[(line.LastIndexOf(' ') + 1)..], out var endpoint, out var error), error);
        return endpoint;
    }

    private async Task<string> WriteAsync(string plugin, string options = "", string listen = "127.0.0.1:0")
    {
        var file = Path.Combine(_folder, "policyd.hocon");
        await File.WriteAllTextAsync(
            file,
            $"policyd {{\n listen = [\"{listen}\"]\n {options}\n virtual_hosts = [ {{ name = x, port = \"{listen}\", "
                + $"plugins = [ {plugin} ] }} ]\n}}\n",
            Cancellation);
        return file;
    }
}
