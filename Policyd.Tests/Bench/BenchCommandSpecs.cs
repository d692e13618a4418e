using System.CommandLine;
using Policyd.Bench.Commands;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The command line: what is wrong is named, and a server that is absent is one line and exit code 1.</summary>
public class BenchCommandSpecs
{
    [Theory]
    [InlineData("load", "argument missing")]
    [InlineData("load nowhere:port", "nowhere:port")]
    [InlineData("load 127.0.0.1:1 --connections 0", "--connections is from 1")]
    [InlineData("load 127.0.0.1:1 --requests 0", "--requests is at least 1")]
    [InlineData("load 127.0.0.1:1 --seconds 0", "--seconds is at least")]
    [InlineData("load 127.0.0.1:1 --keys 16777217", "--keys is from 1 to 16777216")]
    [InlineData("load 127.0.0.1:1 --key-order backwards", "backwards")]
    [InlineData("load 127.0.0.1:1 --attribute novalue", "'novalue' is not name=value")]
    [InlineData("load 127.0.0.1:1 --attribute a=%z", "unknown placeholder")]
    [InlineData("load 127.0.0.1:1 --rate 0", "--rate is from 0.001")]
    [InlineData("compare --config x.hocon", "x.hocon cannot be read")]
    [InlineData("compare --config other=x.hocon", "no server is named other, there is policyd")]
    [InlineData("compare --endpoint 127.0.0.1:1", "--endpoint is for a configuration that does not take its port")]
    [InlineData("compare --policyd new=a --policyd new=b", "the name new is taken")]
    [InlineData(
        "compare --stages rates,sprint",
        "'sprint' is no stage: known are rates, slow, idle, start, connections, memory, newkeys, keys, owners, cluster, or all")]
    [InlineData("compare --chain long", "'long' is none of plain, counting")]
    [InlineData("compare --database oracle", "'oracle' is none of sqlite, postgresql, mariadb")]
    [InlineData("compare --stages keys,owners", "are for a chain that counts: --chain counting")]
    [InlineData("postfix --mails 0", "--mails is from 1")]
    [InlineData("postfix --config x.hocon", "x.hocon cannot be read")]
    [InlineData("compare --many-keys 1", "--many-keys is from 2")]
    [InlineData("compare --stages 1", "'1' is no stage")]
    [InlineData("compare --rounds 0", "--rounds is from 1")]
    [InlineData("compare --mails 0", "--mails is at least 1")]
    [InlineData("compare --requests 5", "--requests")]
    [InlineData("compare --json /nowhere/x.json", "there is no directory /nowhere")]
    [InlineData("compare --against x", "--against and --against-endpoint need each other")]
    [InlineData("idle 127.0.0.1:1 --connections -1", "--connections is from 1")]
    [InlineData("lode", "lode")]
    public async Task Wrong_argument_is_named(string line, string expected)
    {
        var (exit, _, error) = await BenchUnderTest.InvokeAsync(line);
        Assert.Equal(1, exit);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Absent_server_is_one_line_and_exit_1()
    {
        using var server = new ScriptedServer(_ => new((byte[]?)null));
        var endpoint = server.Endpoint.ToString();
        server.Dispose();
        var (exit, output, error) = await BenchUnderTest.InvokeAsync($"load {endpoint} --seconds 1");
        Assert.Equal((1, string.Empty), (exit, output));
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Load_prints_a_summary_or_JSON_and_fails_on_errors()
    {
        using var server = new ScriptedServer(_ => new("action=dunno\n\n"u8.ToArray()));
        var (exit, output, _) = await BenchUnderTest.InvokeAsync($"load {server.Endpoint} --requests 20 --warmup 0");
        Assert.Equal(0, exit);
        Assert.Contains("requests  20 in ", output, StringComparison.Ordinal);

        (exit, output, _) = await BenchUnderTest.InvokeAsync($"load {server.Endpoint} --requests 20 --warmup 0 --expect reject --json");
        Assert.Equal(1, exit);
        using var json = System.Text.Json.JsonDocument.Parse(output);
        Assert.Equal(20, json.RootElement.GetProperty("errors").GetProperty("unexpected").GetInt32());
    }

    [Fact]
    public async Task Idle_connections_are_opened_and_a_fresh_one_is_answered()
    {
        using var server = new ScriptedServer(_ => new("action=dunno\n\n"u8.ToArray()));
        var (exit, output, error) = await BenchUnderTest.InvokeAsync($"idle {server.Endpoint} --connections 20 --ask-once");
        Assert.True(exit == 0, error);
        Assert.Contains("20 idle connections, 0 of them closed", output, StringComparison.Ordinal);
    }
}
