using System.Diagnostics;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd cron list</c> and <c>run</c> as an operator runs them, against the real server.</summary>
[ServerTest]
public sealed class CronCommandSpecs : IDisposable
{
    private static readonly string[] s_libraries = ["/linq2db.dll", "/LanguageExt.Core.dll"];

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_task_that_was_run_is_shown_with_its_result_also_after_a_restart()
    {
        var configuration = Configure("cron { tasks { nightly = \"30 4 * * *\" } }");
        CronRow before;
        await using (var server = await PolicydProcess.Serve(configuration, _port))
        {
            Assert.Equal(["hourly", "daily", "weekly", "monthly", "nightly"], (await TasksAsync(configuration)).Select(task => task.Name));
            var ran = await Command.RunAsync("", "cron", "run", "daily", "-c", configuration);
            Assert.True(ran.ExitCode == 0, ran.Error);
            Assert.StartsWith("daily: done, ", ran.Output, StringComparison.Ordinal);
            before = (await TasksAsync(configuration)).Single(task => task.Name == "daily");
            Assert.Equal("done", before.Result);

            var text = (await Command.RunAsync("", "cron", "list", "-c", configuration)).Output;
            Assert.Contains("30 4 * * *", text, StringComparison.Ordinal);
            Assert.Contains("never", text, StringComparison.Ordinal);
            Assert.DoesNotContain('\u001b', text);
            server.Terminate();
            Assert.Equal(0, await server.Exits());
            Assert.DoesNotContain(server.Lines, line => line.Contains("ClusterSingletonProxy failed", StringComparison.Ordinal));
        }

        await using var again = await PolicydProcess.Serve(configuration, _port);
        Assert.Equal(before, (await TasksAsync(configuration)).Single(task => task.Name == "daily"));
    }

    [Fact]
    public async Task An_unknown_task_is_told_with_those_that_are_there()
    {
        var configuration = Configure("");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var result = await Command.RunAsync("", "cron", "run", "dayly", "-c", configuration);
        Assert.Equal(64, result.ExitCode);
        Assert.Contains("there is no task \"dayly\"; did you mean \"daily\"?", result.Error, StringComparison.Ordinal);
        Assert.Contains("hourly, daily, weekly, monthly", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_whose_tasks_are_off_says_so()
    {
        var configuration = Configure("cron { enabled = off }");
        await using var server = await PolicydProcess.Serve(configuration, _port);
        var result = await Command.RunAsync("", "cron", "list", "-c", configuration);
        Assert.Equal(64, result.ExitCode);
        Assert.Contains("periodic tasks are disabled", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_server_and_without_a_task_the_command_says_what_it_needs()
    {
        var configuration = Configure("");
        Assert.Equal(69, (await Command.RunAsync("", "cron", "list", "-c", configuration)).ExitCode);
        var nothing = await Command.RunAsync("", "cron", "-c", configuration);
        Assert.Equal(64, nothing.ExitCode);
        Assert.Contains("cron needs a task", nothing.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await Command.RunAsync("", "cron", "hourly,daily", "-c", configuration)).ExitCode);
    }

    [Fact]
    public async Task The_library_of_the_ledger_is_loaded_when_somebody_asks()
    {
        var configuration = Configure("cron { tasks { hourly = off, daily = off, weekly = off, monthly = off, leap = \"0 0 29 2 *\" } }");
        var since = Stopwatch.GetTimestamp();
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await using (var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel))
        {
            await client.AskAsync(PolicyRequestBuilder.AccessPolicy().Add("instance", "1").ToBytes(), Cancel);
        }

        var mapped = await MappedAsync(server);
        // Half a minute after its start the server reads the ledger unasked.
        Assert.True(
            Stopwatch.GetElapsedTime(since) > TimeSpan.FromSeconds(30)
                || !s_libraries.Any(library => mapped.Contains(library, StringComparison.Ordinal)));
        Assert.Equal(["leap"], (await TasksAsync(configuration)).Select(static task => task.Name));
        mapped = await MappedAsync(server);
        Assert.All(s_libraries, library => Assert.Contains(library, mapped, StringComparison.Ordinal));
    }

    private static Task<string> MappedAsync(ProcessUnderTest server) => File.ReadAllTextAsync($"/proc/{server.Id}/maps", Cancel);

    private static async Task<IReadOnlyList<CronRow>> TasksAsync(string configuration)
    {
        var result = await Command.RunAsync("", "cron", "list", "--json", "-c", configuration);
        Assert.True(result.ExitCode == 0, result.Error);
        return [.. JsonDocument.Parse(result.Output).RootElement.GetProperty("tasks").EnumerateArray().Select(task => new CronRow(
            task.GetProperty("name").GetString()!,
            task.TryGetProperty("last", out var last) && last.ValueKind == JsonValueKind.Object
                ? last.GetProperty("result").GetString()
                : null,
            last.ValueKind == JsonValueKind.Object ? last.GetProperty("started").GetString() : null))];
    }

    private string Configure(string cron) => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }, {{cron}}
          connections { db { module = Sql, dsn = "Data Source={{_folder["policyd.db"]}}", provider = SQLite } }
          virtual_hosts = [ { port = {{_port}}, plugins = [ { name = a, module = Accounting, fields = client_address, keep = 1d, time_pattern = "%Y-%m-%d" } ] } ] }
        """);

    private sealed record CronRow(string Name, string? Result, string? Started);
}
