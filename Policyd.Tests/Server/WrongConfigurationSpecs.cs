using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

/// <summary>
/// What is wrong with a configuration is an error at its place, whoever finds it, and all of it at once: through the real command.
/// </summary>
[ServerTest]
public sealed class WrongConfigurationSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Connection_that_is_not_there_is_told_beside_the_other_errors_of_its_plugin()
    {
        var lines = await ErrorsAsync(Chain("""
            { name = q, module = Quota, metric = count, treshold = 3, db = dbb }
            { name = a, module = Accounting, fields = sender, time_pattern = "%Y", windw = 1h, db = nosuch }
            { name = l, module = SqlList, match_acton = reject, db = dbb }
            { name = h, module = Honeypot, store = Redis, redis = users, recipient = x }
            """));
        Assert.Contains(lines, line => Is(line, 5, "plugin q: db: there is no connection \"dbb\"; did you mean db?"));
        Assert.Contains(lines, line => Is(line, 5, "needs the option \"field\""));
        Assert.Contains(lines, line => Is(line, 5, "did you mean \"threshold\"?"));
        Assert.Contains(lines, line => Is(line, 6, "plugin a: db: there is no connection \"nosuch\"; available: db"));
        Assert.Contains(lines, line => Is(line, 6, "did you mean \"window\"?"));
        Assert.Contains(lines, line => Is(line, 7, "plugin l: db: there is no connection \"dbb\""));
        Assert.Contains(lines, line => Is(line, 8, "plugin h: store: there is no connection \"users\""));
        Assert.Equal(10, lines.Length);
    }

    [Fact]
    public async Task Seed_nodes_that_a_start_refuses_are_an_error_of_check_at_their_place()
    {
        var file = _folder.Write("akka.hocon", """
            policyd { listen = "127.0.0.1:1", virtual_hosts = [ { name = v, port = 1, plugins = [ { name = a, module = Action, action = dunno } ] } ] }
            akka { cluster.seed-nodes = ["192.0.2.1:4053"] }
            """);
        var result = await Command.RunAsync("", "check", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Contains("akka.hocon:2:6: akka { }: akka.cluster.seed-nodes: ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plugin_that_throws_while_it_is_made_is_an_error_at_its_place_and_so_is_a_table_of_no_connection()
    {
        FaultyPlugins.Write(_folder.Path);
        var lines = await ErrorsAsync(Chain("""
            { name = a, module = ThrowsInConstructor }
            { name = b, module = ThrowsInInitialize }
            { name = c, module = ThrowsInSetter, value = 1 }
            { name = d, module = ThrowsInGetter, value = dunno }
            { name = f, module = CountsNowhere }
            { name = g, module = Quota, field = sender, metric = count, threshold = 1, db = nosuch }
            """, $"plugin_folder = \"{_folder.Path}\""));
        Assert.Contains(lines, line => Is(line, 5, "plugin a: the constructor of Faulty.ThrowsInConstructorPlugin failed: no luck"));
        Assert.Contains(lines, line => Is(line, 6, "plugin b cannot start: NullReferenceException:"));
        Assert.Contains(lines, line => Is(line, 7, "value: KeyNotFoundException: not today"));
        Assert.Contains(
            lines, line => Is(line, 8, "plugin d: Faulty.ThrowsInGetterPlugin cannot be created: NotSupportedException: ask me not"));
        Assert.Contains(lines, line => Is(line, 9, "plugin f: db: there is no connection \"nosuch\""));
        Assert.Contains(lines, line => Is(line, 10, "plugin g: db: there is no connection \"nosuch\""));
        Assert.Equal(6, lines.Length);
    }

    [Theory]
    [InlineData(
        "polycid { virtual_hosts = [ ] }", "1:1: there is no section policyd { }, but a section \"polycid\"; did you mean \"policyd\"?")]
    [InlineData(
        "listen = \"127.0.0.1:1\"\nvirtual_hosts = [ ]", "1:1: there is no section policyd { }; put listen and the other options into it")]
    [InlineData("policyd = 5", "1:11: policyd: expected a section { listen, virtual_hosts, … }, found a number")]
    [InlineData(
        "policyd { virtual_host = [ { port = 12345 } ] }",
        "1:11: unknown option \"virtual_host\" of policyd; did you mean \"virtual_hosts\"?")]
    [InlineData("policyd { session_cache = Memory }", "1:27: session_cache: expected an object { module, … }, found a string")]
    [InlineData(
        "policyd { connections = [ { name = db } ] }", "1:25: connections: expected an object { NAME { module, … } }, found an array")]
    public async Task Section_that_is_misspelt_or_none_gets_a_hint(string text, string expected)
    {
        var file = _folder.Write("policyd.hocon", text);
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal(78, result.ExitCode);
        Assert.Contains($"{file}:{expected}", result.Error.Split('\n'));
    }

    [Theory]
    [InlineData(
        """{ module = Action, action = dunno } { name = b, module = SetField, key = k, value = v }""",
        "these two adjacent objects are merged into one")]
    [InlineData(
        """{ name = r, module = RegexList, key = sender, action = dunno, regex = ["^a" "^b"] }""",
        "these two adjacent texts are joined into one")]
    public async Task Comma_that_is_missing_in_an_array_is_told(string plugins, string expected)
    {
        var file = _folder.Write("policyd.hocon", Chain(plugins));
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        var column = plugins.LastIndexOf(plugins.Contains("} {", StringComparison.Ordinal) ? "{" : "\"^", StringComparison.Ordinal) + 1;
        Assert.Contains($"{file}:5:{column}: warning: {expected}", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("listen = [\"127.0.0.1:12345\"]", "listen is outside policyd { } and has no effect")]
    [InlineData("aka { loglevel = DEBUG }", "the section \"aka\" has no effect; did you mean \"akka\"?")]
    public async Task Section_beside_policyd_that_nobody_reads_is_a_warning(string text, string expected)
    {
        var file = _folder.Write("policyd.hocon", $"{text}\n{Chain("{ module = Action, action = dunno }")}");
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains($"{file}:1:1: warning: {expected}", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Section_beside_policyd_that_a_substitution_takes_is_no_warning()
    {
        var file = _folder.Write("policyd.hocon", "connections { db { module = Sql, dsn = \"dbi:SQLite:dbname=x.db\" } }\n" +
            "policyd { connections = ${connections}, virtual_hosts = [ { port = 12345, plugins = [ { module = "
                + "Accounting, fields = sender } ] } ] }");
        var result = await Command.RunAsync("", "check", "--offline", "-c", file);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Cron_takes_the_tasks_that_there_are_and_names_them_for_another()
    {
        var file = _folder.Write("policyd.hocon", Chain("{ module = Action, action = dunno }", "cron { tasks { nightly = off } }"));
        var wrong = await Command.RunAsync("", "cron", "hurly", "-c", file);
        Assert.Equal(
            (
                64,
                "policyd: there is no task \"hurly\"; known tasks: hourly, daily, weekly, monthly, nightly; cron { tasks { } } in the "
                    + "configuration can add others; did you mean \"hourly\"?\n",
                ""),
            (wrong.ExitCode, wrong.Error, wrong.Output));
        Assert.Equal(0, (await Command.RunAsync("", "cron", "nightly,hourly", "-c", file)).ExitCode);
    }

    // The plugins begin in line 5.
    private string Chain(string plugins, string more = "") => $$"""
        policyd {
          connections { db { module = Sql, dsn = "dbi:SQLite:dbname={{_folder["x.db"]}}" } }
          {{more}}
          virtual_hosts = [ { port = 12345, plugins = [
        {{plugins}}
          ] } ]
        }
        """;

    private bool Is(string line, int number, string part) =>
        line.StartsWith($"{_folder["policyd.hocon"]}:{number}:", StringComparison.Ordinal) && line.Contains(part, StringComparison.Ordinal);

    private async Task<string[]> ErrorsAsync(string text)
    {
        var result = await Command.RunAsync("", "check", "--offline", "-c", _folder.Write("policyd.hocon", text));
        Assert.Equal((78, ""), (result.ExitCode, result.Output));
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        return result.Error.TrimEnd('\n').Split('\n');
    }
}
