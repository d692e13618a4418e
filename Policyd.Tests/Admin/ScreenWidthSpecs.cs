using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary>
/// What <c>policyd counter</c> and <c>policyd cron list</c> show on a real terminal (script(1) makes one), and in a pipe.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
[ServerTest]
public sealed partial class ScreenWidthSpecs : IDisposable
{
    private const string Anna = "anna.with.a.rather.long.name@department.example.org";
    private const string Bob = "bob@example.org";
    private const string Big = "123456789012";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tables_lose_what_matters_least_and_never_a_part_of_a_key_or_number()
    {
        var configuration = Configure();
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send(Anna);
        await Send(Bob);
        await Run(
            "counter",
            "set",
            "sasl_username",
            Anna,
            $"count={Big}",
            $"count_rcpt={Big}",
            $"size={Big}",
            $"size_rcpt={Big}",
            "-c",
            configuration);

        // 51 letters of the key and 12 digits leave room for nothing else at 80 columns but the quota; at 60 the terminal breaks the line.
        var narrow = await OnTerminal(80, "counter", "list", "sasl_username", "-c", configuration);
        Assert.Contains(Words(narrow), line => line == $"{Anna} {Big}" || line.StartsWith($"{Anna} {Big} ", StringComparison.Ordinal));
        Assert.Contains("no room for", narrow, StringComparison.Ordinal);
        Assert.Contains("size_rcpt", narrow[narrow.IndexOf("no room for", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Contains(
            Words(await OnTerminal(60, "counter", "list", "sasl_username", "-c", configuration)),
            line => line.StartsWith($"{Anna} {Big}", StringComparison.Ordinal));

        var wide = await OnTerminal(250, "counter", "list", "sasl_username", "-c", configuration);
        var piped = await Run("counter", "list", "sasl_username", "-c", configuration);
        foreach (var text in new[] { wide, piped })
        {
            Assert.DoesNotContain("no room for", text, StringComparison.Ordinal);
            Assert.Contains("key count ↓ count_rcpt size size_rcpt QuotaUser", Words(text));
            Assert.Contains(Words(text), line => line.StartsWith($"{Anna} {Big} {Big} {Big} {Big} ", StringComparison.Ordinal));
        }

        var one = await OnTerminal(60, "counter", "get", "sasl_username", Anna, "-c", configuration);
        Assert.Contains(Words(one), line => line.StartsWith($"counted {Big}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_limit_of_a_clients_own_is_shown_as_such()
    {
        var configuration = Configure();
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Send(Anna);
        await Send(Bob);
        var list = Words(await Run("counter", "list", "sasl_username", "-c", configuration));
        Assert.Contains($"{Anna} 1 1 0 0 25.0 % of own 4", list);
        Assert.Contains($"{Bob} 1 1 0 0 10.0 %", list);
        Assert.Contains("* QuotaUser: unless the mail's session has limit", list);

        var own = await Run("counter", "get", "sasl_username", Anna, "-c", configuration);
        Assert.Contains("QuotaUser own: 4 25.0 %", Words(own));
        Assert.DoesNotContain("unless", own, StringComparison.Ordinal);
        Assert.Contains("QuotaUser 10* 10.0 %", Words(await Run("counter", "get", "sasl_username", Bob, "-c", configuration)));
    }

    [Fact]
    public async Task Tasks_at_80_columns_keep_their_times_whole()
    {
        var configuration = Configure();
        await using var server = await PolicydProcess.Serve(configuration, _port);
        await Run("cron", "run", "monthly", "-c", configuration);
        var list = await OnTerminal(80, "cron", "list", "-c", configuration);
        Assert.Contains(Words(list), line => MonthlyRow().IsMatch(line));
        Assert.All(list.Split('\n'), line => Assert.True(line.TrimEnd().Length <= 80, $"{line.Length} columns: {line}"));
    }

    public void Dispose() => _folder.Dispose();

    [GeneratedRegex(@"^monthly .*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d.* done")]
    private static partial Regex MonthlyRow();

    [GeneratedRegex(@"\x1b\[[0-9;?]*[a-zA-Z]")]
    private static partial Regex Escapes();

    private string Configure() => _folder.Write("policyd.hocon", $$"""
        policyd { listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }
          connections { db { module = Sql, dsn = "Data Source={{_folder["counters.db"]}};Default Timeout=30", provider = SQLite } }
          virtual_hosts = [ { name = t, port = {{_port}}, plugins = [
            { name = IsAnna, module = Condition, key = sasl_username, match = "{{Anna}}", plugins = [ { name = Limit, module = SetField, key = limit, value = 4 } ] }
            { name = QuotaUser, module = Quota, field = sasl_username, metric = count, threshold = 10, uc_threshold = limit }
            { name = AcctUser, module = Accounting, fields = sasl_username }
          ] } ] }
        """);

    private async Task Send(string user)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy()
                .Add("protocol_state", "END-OF-MESSAGE")
                .Add("sasl_username", user)
                .Add("instance", user)
                .Add("recipient_count", "1")
                .ToBytes(), Cancel);
    }

    private static async Task<string> Run(params string[] arguments)
    {
        var (code, text) = await ProcessUnderTest.Run(PolicydProcess.Executable, arguments);
        Assert.True(code == 0, text);
        return text;
    }

    private static async Task<string> OnTerminal(int columns, params string[] arguments)
    {
        var command = string.Create(
            CultureInfo.InvariantCulture,
            $"stty cols {columns} rows 50; exec '{string.Join("' '", [PolicydProcess.Executable, .. arguments])}'");
        var (code, text) = await ProcessUnderTest.Run("/usr/bin/env", "TERM=xterm", Needs.Program("script"), "-qec", command, "/dev/null");
        Assert.True(code == 0, text);
        return Escapes().Replace(text, "").Replace("\r", "", StringComparison.Ordinal);
    }

    private static string[] Words(string text) =>
        [.. text.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))];
}
