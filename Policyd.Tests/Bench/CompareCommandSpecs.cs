using System.CommandLine;
using System.Text.Json;
using Policyd.Bench.Commands;
using Policyd.Bench.Servers;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>
/// A whole comparison of the built server with the echo, every stage as short as it can be: what it measures says nothing, that it measures
/// does.
/// </summary>
[ServerTest]
public sealed class CompareCommandSpecs : IDisposable
{
    // The server that the other tests start, too: compare would take the one that was built beside it.
    private static readonly string s_compare = $"compare --policyd policyd={PolicydProcess.Executable} ";

    private readonly string _directory = Directory.CreateTempSubdirectory("policyd-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Every_stage_measures_policyd_and_the_echo()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("the load generator needs Linux's epoll");
        }

        var file = Path.Combine(_directory, "result.json");
        var (exit, output, error) = await BenchUnderTest.InvokeAsync(
            s_compare + $"--stages all --json {file} --timeout 60 --expect PREPEND --connections 4 --seconds 0.3 --rounds 2 "
            + $"--warmup 0.1 --warmup-windows 3"
            + " --slow-seconds 0.3 --idle-seconds 0.3 --idle-settling 0 --starts 1 --start-seconds 1 --idle-connections 20 --mails 300");
        Assert.True(exit == 0, error + output);
        Assert.Contains("| policyd | echo | policyd / echo |", output, StringComparison.Ordinal);
        Assert.Contains("windows of warm-up", output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        string[] ofBoth =
        [
            "rates: requests/s", "rates: CPU µs/request", "rates: p50 µs", "rates: p99 µs", "rates: p99.9 µs", "rates: memory MiB",
            "rates: garbage bytes/request",
            "slow: CPU µs/request at 100/s", "slow: CPU µs/request at 1000/s", "idle: memory MiB", "start: first answer ms",
            "start: longest ms of the first 2 s",
        ];
        Assert.All(ofBoth, name => Assert.True(Median(json, name, "policyd") > 0 && Median(json, name, "echo") > 0, name));
        Assert.All(["rates: work items/request", "memory: MiB at the end"], name => Assert.True(Median(json, name, "policyd") > 0, name));
        Assert.Equal(300, Median(json, "memory: mails", "policyd"));
        Assert.True(Median(json, "connections: KiB for each of 20", "policyd") is not null, "memory of a connection");
    }

    [Theory]
    [InlineData("postgresql", "postgres")]
    [InlineData("mariadb", "mariadbd")]
    public async Task Chain_that_counts_has_a_real_server_of_the_named_kind(string database, string program)
    {
        Needs.Program(program, PostgresCommand.Folders);
        Needs.Root();
        var (exit, output, error) = await BenchUnderTest.InvokeAsync(
            s_compare + $"--chain counting --database {database} --stages rates --timeout 60 --expect dunno --connections 4 --keys 20 "
            + "--seconds 1 --rounds 1 --warmup 0.1 --warmup-windows 1");
        Assert.True(exit == 0, error + output);
        Assert.Matches(@"policyd: sums: exact \([0-9,]+ mails in acct_client_address, acct_sasl_username\)", output);
    }

    [Fact]
    public async Task Counting_stages_measure_keys_and_owners_and_find_the_sums_of_the_tables_exact()
    {
        var file = Path.Combine(_directory, "result.json");
        var (exit, output, error) = await BenchUnderTest.InvokeAsync(
            s_compare + $"--chain counting --stages newkeys,keys,owners --json {file} --timeout 60 --expect dunno "
            + "--connections 4 --keys 20 --seconds 1 --rounds 1 --warmup 0.1 --warmup-windows 1 "
            + "--many-keys 200 --many-keys-seconds 1 --owners 200");
        Assert.True(exit == 0, error + output);
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        string[] measured =
        [
            "newkeys: CPU µs/request", "newkeys: garbage bytes/request", "keys: requests/s, 20 keys",
            "keys: 200 keys / 20, first 1 s", "keys: 200 keys / 20, warm",
        ];
        Assert.All(measured, name => Assert.True(Median(json, name, "policyd") > 0, name));
        Assert.True(Median(json, "owners: heap bytes/owner", "policyd") is not null, "memory of an owner");

        // One start for the windows, one for the keys, two for the owners.
        var sums = json.RootElement.GetProperty("sums").EnumerateArray().ToArray();
        Assert.Equal(4, sums.Length);
        Assert.All(sums, one => Assert.Equal(
            ["acct_client_address", "acct_sasl_username"],
            one.GetProperty("tables").EnumerateObject().Select(table => table.Name)));
        Assert.All(sums, one => Assert.True(one.GetProperty("least").GetInt64() is > 0 and var least
            && one.GetProperty("tables").EnumerateObject().All(table => table.Value.GetInt64() == least)));
    }

    [Fact]
    public async Task Cluster_is_asked_for_keys_of_another_node_and_its_sums_are_exact()
    {
        Needs.Program("postgres", PostgresCommand.Folders);
        Needs.Root();
        var file = Path.Combine(_directory, "result.json");
        var (exit, output, error) = await BenchUnderTest.InvokeAsync(
            s_compare + $"--chain counting --database postgresql --stages cluster --tls --json {file} --timeout 60 --expect dunno "
            + "--connections 4 --keys 20 --seconds 1 --rounds 1 --warmup 0.1 --warmup-windows 1 --slow-seconds 1 --paced-rate 20");
        Assert.True(exit == 0, error + output);
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        string[] measured =
        [
            "own keys: requests/s", "keys of another node: requests/s", "without cluster: requests/s",
            "another node's / own keys: requests/s", "own keys / without cluster: requests/s",
            "own keys: p99 ms at 20/s", "keys of another node: p99 ms at 20/s",
            "keys of another node: CPU µs/request", "keys of another node: CPU µs/request of that node",
            "own keys: garbage bytes/request", "keys of another node: garbage bytes/request of that node",
        ];
        Assert.All(measured, name => Assert.True(Median(json, "cluster: " + name, "policyd") > 0, name));
        Assert.Equal(
            ["policyd", "policyd-node1"],
            json.RootElement.GetProperty("sums").EnumerateArray().Select(one => one.GetProperty("server").GetString()).Order());
    }

    [Fact]
    public async Task Cluster_on_SQLite_is_refused()
    {
        var (exit, output, error) = await BenchUnderTest.InvokeAsync("compare --chain counting --stages cluster");
        Assert.Equal((1, string.Empty), (exit, output));
        Assert.Contains("--database postgresql or mariadb", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_that_does_not_start_is_named_with_what_it_printed()
    {
        var (exit, output, error) = await BenchUnderTest.InvokeAsync("compare --stages idle,start --policyd broken=/bin/echo");
        Assert.Equal((1, string.Empty), (exit, output));
        Assert.Contains("broken gave no answer", error, StringComparison.Ordinal);
        Assert.Contains("serve -c", error, StringComparison.Ordinal);
    }

    private static double? Median(JsonDocument json, string name, string server) =>
        json.RootElement.GetProperty("figures").EnumerateArray()
            .Where(figure => $"{figure.GetProperty("stage")}: {figure.GetProperty("name")}" == name)
            .Select(figure => figure.GetProperty("servers").TryGetProperty(server, out var found) ? found.GetProperty("summary")
                .GetProperty("median")
                .GetDouble() : (double?)null)
            .FirstOrDefault();
}
