using System.Globalization;
using System.Text.RegularExpressions;
using Policyd.Protocol;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Repository;

/// <summary>Every command of docs/operations.md, in its order, against a running server.</summary>
[ServerTest]
public sealed partial class OperationsPageSpecs : IDisposable
{
    private const string Configuration = "/etc/policyd/policyd.hocon";
    private const string NameOnThePage = "38h647t271xg5c9g41fv";
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();
    private string _id = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_command_does_what_the_page_says()
    {
        Directory.CreateDirectory(_folder["etc"]);
        var configuration = _folder.Write("etc/policyd.hocon", $$"""
            policyd {
              listen = [ "127.0.0.1:{{_port}}" ]
              admin { listen = "unix:{{_folder["admin.sock"]}}" }
              record { file = "{{_folder["requests.jsonl"]}}" }
              decisions { db = db }
              connections { db { module = Sql, provider = SQLite, dsn = "Data Source={{_folder["policyd.db"]}}" } }
              virtual_hosts = [ { name = submission, port = {{_port}}, plugins = [
                { name = limit, module = Quota, field = sasl_username, metric = count, threshold = 3,
                  action = "defer you have sent too much mail; tell your postmaster %ID%" }
                { name = acct, module = Accounting, fields = sasl_username }
              ] } ]
            }
            """);
        await using var server = await PolicydProcess.Serve(configuration, _port);
        Assert.Equal("dunno", await AskAsync(1));
        Assert.Equal("dunno", await AskAsync(2));
        Assert.Equal("dunno", await AskAsync(3));
        var refusal = await AskAsync(4);
        Assert.StartsWith("defer ", refusal, StringComparison.Ordinal);
        _id = refusal[^20..];
        await Eventually.Holds(
            "four recorded requests", () => File.ReadLines(_folder["requests.jsonl"]).Count() == 4);

        await Eventually.Holds(
            "a decision in the history",
            async () => (await ProcessUnderTest.Run("bash", "-c", Placed($"policyd decisions --id {_id}"))).ExitCode == 0);

        var commands = await CommandsAsync();
        Assert.InRange(commands.Count, 12, 40);
        var said = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (command, code) in commands)
        {
            var (exitCode, output) = await ProcessUnderTest.Run("bash", "-c", Placed(command));
            Assert.True(exitCode == code, $"{command} ended with {exitCode}:\n{output}");
            said[command] = output;
        }

        Assert.Contains("serving", said["policyd status"], StringComparison.Ordinal);
        Assert.Contains("anna@example.org", said["policyd counter list sasl_username"], StringComparison.Ordinal);
        var explained = Assert.Single(said, static one => one.Key.StartsWith("policyd explain", StringComparison.Ordinal)).Value;
        Assert.Matches(@"rule\s+limit", explained);
        var decided = said[$"policyd decisions --id {NameOnThePage}"];
        Assert.Matches(@"^limit \(Quota\): answers defer [^\n]*\n(.*\n)*rule +limit\n", decided);
        var replayed = Assert.Single(said, static one => one.Key.StartsWith("policyd replay", StringComparison.Ordinal)).Value;
        Assert.Contains("answers that differ: 1\n", replayed, StringComparison.Ordinal);
        Assert.Contains(
            "+ virtual host submission: limit (Quota): threshold = 2", said["policyd reload --dry-run"], StringComparison.Ordinal);

        // The roll-back has brought the limit of 3 back, and the set has made room.
        Assert.Equal("dunno", await AskAsync(5));
    }

    [GeneratedRegex(@"^\s*\$ (?<command>.+)$")]
    private static partial Regex Command();

    [GeneratedRegex(@"^\s*# exit code (?<code>\d+)$")]
    private static partial Regex Code();

    private static async Task<List<(string Command, int Code)>> CommandsAsync()
    {
        var commands = new List<(string Command, int Code)>();
        foreach (var line in await File.ReadAllLinesAsync(FilesAbove.OfTheRepository("docs/operations.md"), Cancel))
        {
            if (Command().Match(line) is { Success: true } command)
            {
                commands.Add((command.Groups["command"].Value, 0));
            }
            else if (Code().Match(line) is { Success: true } code)
            {
                commands[^1] = commands[^1] with { Code = int.Parse(code.Groups["code"].Value, CultureInfo.InvariantCulture) };
            }
        }

        return commands;
    }

    // The page's places become the test's; without -c its configuration is the one that a server finds first.
    private string Placed(string command)
    {
        var placed = command;
        if (command.StartsWith("policyd ", StringComparison.Ordinal))
        {
            var configuration = command.Contains(" -c ", StringComparison.Ordinal) ? "" : $" -c {Configuration}";
            placed = $"{PolicydProcess.Executable} {command["policyd ".Length..]}{configuration}";
        }

        return placed.Replace(NameOnThePage, _id, StringComparison.Ordinal)
            .Replace("/etc/policyd/", _folder["etc"] + "/", StringComparison.Ordinal)
            .Replace("/var/lib/policyd/", _folder["x"][..^1], StringComparison.Ordinal);
    }

    private async Task<string> AskAsync(int mail)
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        var request = PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sasl_username", "anna@example.org")
            .Add("client_address", "192.0.2.7").Add("size", "1000").Add("instance", $"i.{mail}");
        return await client.AskAsync(request.ToBytes(), Cancel);
    }
}
