using System.Diagnostics;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

[ServerTest]
public sealed class CommandLineSpecs : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("policyd-cli-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("chekc", "-c", "x")]
    [InlineData("client", "-h", "nowhere")]
    [InlineData("client", "-h", "127.0.0.1:1", "-s", "/x")]
    [InlineData("convert")]
    [InlineData("check", "-c")]
    public async Task A_wrong_command_line_is_told_in_one_line_and_ends_with_64(params string[] arguments)
    {
        var result = await Command.RunAsync("", arguments);
        Assert.Equal(64, result.ExitCode);
        AssertOneLine(result.Error);
        Assert.Equal("", result.Output);
    }

    [Theory]
    [InlineData("--limit: expected a whole number, found \"9999999999\".", "decisions", "decisions", "--limit", "9999999999")]
    [InlineData("--limit: expected a whole number, found \"ten\".", "counter list", "counter", "list", "sender", "-n", "ten")]
    [InlineData("--counters: expected empty or live, found \"some\".", "replay", "replay", "-", "--counters", "some")]
    public async Task A_value_that_an_option_does_not_take_is_named_without_types_of_the_program(
        string told, string verb, params string[] arguments)
    {
        var result = await Command.RunAsync("", arguments);
        Assert.Equal((64, $"policyd: {told} Try 'policyd {verb} --help'.\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData("--action", "trace", "--action", "")]
    [InlineData("--user", "trace", "--user", "")]
    [InlineData("--client", "trace", "--client", "")]
    [InlineData("--rule", "decisions", "--rule", "")]
    [InlineData("--queue-id", "decisions", "--queue-id", "")]
    [InlineData("--config", "check", "-c", "")]
    [InlineData("--virtual-host", "explain", "--virtual-host", "", "sender=a@example.org")]
    [InlineData("--against", "replay", "-", "--against", "")]
    [InlineData("FILE", "replay", "-", "")]
    [InlineData("FILE", "convert", "")]
    public async Task An_empty_value_of_an_option_is_a_wrong_command_line(string option, params string[] arguments)
    {
        var result = await Command.RunAsync("", arguments);
        Assert.Equal(
            (64, $"policyd: {option}: the value is empty. Try 'policyd {arguments[0]} --help'.\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData("the standard input is closed", "client -h 127.0.0.1:1 <&-")]
    [InlineData("the standard input is closed", "client -h 127.0.0.1:1 -k <&- >&-")]
    [InlineData("the standard input is closed", "explain <&-")]
    [InlineData("the standard input is closed", "replay - <&-")]
    [InlineData("the standard output is closed", "--version >&-")]
    [InlineData("the standard output is closed", "--version <&- >&-")]
    public async Task A_standard_descriptor_that_is_closed_is_told_at_once_and_ends_with_74(string told, string line)
    {
        var configuration = Path.Combine(_folder, "p.hocon");
        await File.WriteAllTextAsync(
            configuration,
            "policyd { virtual_hosts = [ { name = v, port = 12345, plugins = [ { module = Action, action = dunno } ] } ] }",
            TestContext.Current.CancellationToken);
        line = line.Replace("explain", $"explain -c {configuration}", StringComparison.Ordinal)
            .Replace("replay", $"replay -c {configuration}", StringComparison.Ordinal);
        var (code, text) = await ProcessUnderTest.Run("/bin/sh", "-c", $"exec {PolicydProcess.Executable} {line}");
        Assert.Equal((74, $"policyd: {told}"), (code, text));
    }

    [Theory]
    [InlineData("policyd has no verb \"chekc\"; did you mean \"check\"? Try 'policyd --help'.", "chekc", "-c", "x")]
    [InlineData(
        "policyd counter has no verb \"delete\"; it has get, list, set, reset. Try 'policyd counter --help'.",
        "counter",
        "delete",
        "a",
        "-c",
        "x")]
    public async Task A_verb_that_does_not_exist_is_named_alone_with_those_that_do(string told, params string[] arguments)
    {
        var result = await Command.RunAsync("", arguments);
        Assert.Equal((64, $"policyd: {told}\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData("trace", "Print a JSON object a line, one for each decision.")]
    [InlineData("decisions", "Print a JSON object a line, one for each decision.")]
    [InlineData("status", "Print one JSON document instead of a table.")]
    public async Task Help_tells_what_kind_of_JSON_is_printed(string verb, string told) =>
        Assert.Matches($"--json +{told}", (await Command.RunAsync("", verb, "--help")).Output);

    [Fact]
    public async Task A_message_that_cannot_be_written_leaves_the_exit_code_as_it_is()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no device that is always full");
        TestKinds.MayStart(PolicydProcess.Executable);
        string[] line =
            ["-c", "exec \"$0\" check -c \"$1\" > /dev/null 2> /dev/full", PolicydProcess.Executable, Path.Combine(_folder, "none")];
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", line))!;
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(66, shell.ExitCode);
    }

    [Theory]
    [InlineData("--version")]
    [InlineData("--help")]
    public async Task An_output_that_cannot_be_written_is_told_in_one_line_and_ends_with_74(string verb)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no device that is always full");
        TestKinds.MayStart(PolicydProcess.Executable);
        string[] line = ["-c", "exec \"$0\" \"$1\" > /dev/full", PolicydProcess.Executable, verb];
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", line) { RedirectStandardError = true })!;
        var error = await shell.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((74, "policyd: No space left on device\n"), (shell.ExitCode, error));
    }

    [Theory]
    [InlineData("check", "-c")]
    [InlineData("convert")]
    public async Task A_missing_file_is_told_in_one_line_and_ends_with_66(params string[] arguments)
    {
        var missing = Path.Combine(_folder, "none.conf");
        var result = await Command.RunAsync("", [.. arguments, missing]);
        Assert.Equal(66, result.ExitCode);
        Assert.Equal($"policyd: {missing}: no such file\n", result.Error);
        var folder = await Command.RunAsync("", [.. arguments, _folder]);
        Assert.Equal((66, $"policyd: {_folder} is a directory, not a file\n"), (folder.ExitCode, folder.Error));
    }

    [Fact]
    public async Task Check_tells_a_syntax_error_with_its_place_and_ends_with_78()
    {
        var file = Path.Combine(_folder, "broken.hocon");
        await File.WriteAllTextAsync(file, "policyd {\n  listen = [\n}\n", TestContext.Current.CancellationToken);
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Matches($"^{System.Text.RegularExpressions.Regex.Escape(file)}:[0-9]+:[0-9]+: ", result.Error);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_tells_all_errors_at_once_with_their_places()
    {
        var file = await WriteAsync("""
            policyd {
              log_levle = 1
              listen = ["127.0.0.1:12345"]
              virtual_hosts = [ { name = x, port = 12345, plugins = [
                { module = Acton }
                { module = Action }
                { module = Action, name = word, action = greylisting }
                { module = AddScoreHeader, name = number, spam_score = many }
              ] } ]
            }
            """);
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal((78, ""), (result.ExitCode, result.Output));
        var lines = result.Error.TrimEnd('\n').Split('\n');
        foreach (var line in new[] { 2, 5, 6, 7, 8 })
        {
            Assert.Single(lines, error => error.StartsWith($"{file}:{line}:", StringComparison.Ordinal));
        }

        Assert.Equal(5, lines.Length);
        Assert.Contains("did you mean \"log_level\"?", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_shows_the_same_errors_as_check_and_ends_with_78()
    {
        var file = await WriteAsync("policyd { listn = 1, virtual_hosts = [] }");
        var check = await Command.RunAsync("", "check", "-c", file);
        var serve = await Command.RunAsync("", "-c", file);
        Assert.Equal((78, check.Error, ""), (serve.ExitCode, serve.Error, serve.Output));
    }

    [Fact]
    public async Task Serve_ends_with_78_at_a_wrong_setting_of_akka()
    {
        var file = await WriteAsync(Small + "akka { actor { provider = nonsense } }");
        var result = await Command.RunAsync("", "-c", file);
        Assert.Equal(78, result.ExitCode);
        AssertOneLine(result.Error);
        Assert.DoesNotContain("   at ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dump_shows_every_option_with_its_origin_and_no_secret()
    {
        var file = await WriteAsync("""
            policyd {
              listen = ["127.0.0.1:0"]
              connections { db { module = Sql, dsn = "dbi:mysql:database=x;password=geheim;host=h", user = me, password = hidden } }
              virtual_hosts = [ { name = x, port = "127.0.0.1:0", plugins = [
                { name = outer, module = Condition, key = size, match = 1, plugins = [ { name = inner, module = SetField, key = a, value = b } ] }
                { name = tag, module = AddScoreHeader, spam_score = 7 }
              ] } ]
            }
            """);
        var result = await Command.RunAsync("", "dump", "-c", file);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        var lines = result.Output.Split('\n')
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .ToArray();
        Assert.Contains("request_timeout = 20s # default", lines);
        Assert.Contains(lines, line => line.StartsWith("listen = 127.0.0.1:0 # " + file + ":2:", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("1. inner (SetField) # " + file + ":5:", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("spam_score = 7 # " + file + ":6:", StringComparison.Ordinal));
        Assert.Contains("header_name = X-MtScore # default", lines);
        Assert.Contains(lines, line => line.StartsWith("user = me # ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("dsn = dbi:mysql:database=x;password=***;host=h # ", StringComparison.Ordinal));
        Assert.DoesNotContain("geheim", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", result.Output, StringComparison.Ordinal);
        Assert.Equal(result.Output, (await Command.RunAsync("", "-d", "-c", file)).Output);
    }

    [Fact]
    public async Task Dump_shows_when_each_periodic_task_runs_which_are_off_and_what_a_section_leaves_to_its_defaults()
    {
        var file = await WriteAsync("""
            policyd {
              cron { tasks { daily = "15 3 * * *", weekly = off }, timeout = 1m }
              dns { timeout = 1s }
              connections { m { module = Memcached } }
              session_cache { module = Memcached, memcached = m }
              virtual_hosts = []
            }
            """);
        var result = await Command.RunAsync("", "dump", "-c", file);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        var lines = result.Output.Split('\n')
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .ToArray();
        Assert.Contains("enabled = on # default", lines);
        Assert.Contains("hourly = 0 * * * * # default", lines);
        Assert.Contains(lines, line => line.StartsWith($"daily = 15 3 * * * # {file}:2:", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"weekly = off # {file}:2:", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"timeout = 1m # {file}:2:", StringComparison.Ordinal));

        // A section of which one option is given has the others, too.
        Assert.Contains(lines, line => line.StartsWith($"timeout = 1s # {file}:3:", StringComparison.Ordinal));
        Assert.Contains("retries = 1 # default", lines);
        Assert.Contains($"dns # {file}:3:7", lines);
        Assert.Contains("servers = 127.0.0.1:11211 # default", lines);
        Assert.Contains("connect_timeout = 1s # default", lines);
        Assert.Contains("expire = 5m # default", lines);
    }

    [Fact]
    public async Task Convert_gives_a_configuration_that_says_the_same()
    {
        var converted = await Command.RunAsync("", "convert", Sample);
        Assert.Equal(0, converted.ExitCode);
        var file = await WriteAsync(converted.Output);
        Assert.Equal(0, (await Command.RunAsync("", "check", "-c", file)).ExitCode);
        Assert.Contains("the score of a message in bulk", converted.Output, StringComparison.Ordinal);
        Assert.Equal(
            WithoutOrigins(await Command.RunAsync("", "dump", "-c", Sample)),
            WithoutOrigins(await Command.RunAsync("", "dump", "-c", file)));
    }

    [Fact]
    public async Task Convert_takes_the_configuration_that_Debian_ships()
    {
        const string Debian = "/etc/mtpolicyd/mtpolicyd.conf";
        if (!File.Exists(Debian))
        {
            Needs.Missing<object>($"{Debian} is not there (apt-get install mtpolicyd)");
        }

        var converted = await Command.RunAsync("", "convert", Debian);
        Assert.Equal(0, converted.ExitCode);
        Assert.Contains("list.dnswl.org", converted.Output, StringComparison.Ordinal);
        var read = Policyd.Configuration.Hocon.HoconReader.Read(converted.Output);
        Assert.Empty(read.Diagnostics.Errors);
    }

    [Fact]
    public async Task An_action_word_that_is_taken_for_a_restriction_class_is_declared_in_the_converted_file()
    {
        var file = Path.Combine(_folder, "classes.conf");
        await File.WriteAllTextAsync(
            file,
            """
            port = "127.0.0.1:1"
            restriction_classes = "greylisting"
            <VirtualHost 1>
              <Plugin a>
                module = "Action"
                action = "postgrey"
              </Plugin>
            </VirtualHost>
            """,
            TestContext.Current.CancellationToken);
        var converted = await Command.RunAsync("", "convert", file);
        Assert.Equal(
            (0, $"{file}: warning: \"postgrey\" is not a Postfix action; it is taken for one of your smtpd_restriction_classes, and added "
                + "to restriction_classes\n"), (converted.ExitCode, converted.Error));
        Assert.Contains("restriction_classes = [greylisting, postgrey]", converted.Output, StringComparison.Ordinal);
        var check = await Command.RunAsync("", "check", "--offline", "-c", await WriteAsync(converted.Output));
        Assert.Equal((0, ""), (check.ExitCode, check.Error));
    }

    [Theory]
    [InlineData("cron", "hourly,daily")]
    [InlineData("-t", "hourly")]
    [InlineData("--cron", "weekly")]
    public async Task Cron_runs_once_and_ends_with_0(params string[] arguments)
    {
        var result = await Command.RunAsync("", [.. arguments, "-c", Sample]);
        Assert.Equal(("", 0), (result.Output, result.ExitCode));
    }

    [Fact]
    public async Task The_configuration_beside_the_executable_has_no_error()
    {
        var result = await Command.RunAsync("", "check", "-c", Path.Combine(AppContext.BaseDirectory, "config", "mtpolicyd.hocon"));
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    [InlineData("check", "--help")]
    [InlineData("client", "--help")]
    public async Task Help_has_examples_and_ends_with_0(params string[] arguments)
    {
        var result = await Command.RunAsync("", arguments);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains("Examples:\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_version_is_printed()
    {
        var result = await Command.RunAsync("", "--version");
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", result.Output);
    }

    private static string Sample => Path.Combine(AppContext.BaseDirectory, "Server", "Samples", "mtpolicyd.conf");

    private const string Small = """
        policyd { listen = ["127.0.0.1:0"], virtual_hosts = [ { name = x, port = "127.0.0.1:0", plugins = [ { name = t, module = AddScoreHeader } ] } ] }

        """;

    private static string[] WithoutOrigins(CommandResult dump) =>
        [.. dump.Output.Split('\n').Select(line => line.Split('#')[0].TrimEnd())];

    private async Task<string> WriteAsync(string text)
    {
        var file = Path.Combine(_folder, "policyd.hocon");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        return file;
    }

    private static void AssertOneLine(string error)
    {
        Assert.StartsWith("policyd: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain("Exception", error, StringComparison.Ordinal);
    }
}
