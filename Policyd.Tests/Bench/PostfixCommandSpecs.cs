using System.CommandLine;
using System.Text.Json;
using Policyd.Bench.Commands;
using Policyd.Bench.Postfix;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>A few mails through a real Postfix: what is measured says nothing, that it is and that the sums are checked does.</summary>
[ServerTest]
public sealed class PostfixCommandSpecs : IDisposable
{
    private const string Mails = "postfix --mails 60 --sessions 6 --senders 3 --recipients 3";

    private readonly TemporaryFolder _folder = new();

    private static string Server => PolicydProcess.Executable;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Mails_are_counted_once_in_a_cold_and_in_a_warm_run_also_with_a_virtual_host_for_the_end_of_the_message()
    {
        NeedsPostfix();
        var apart = _folder.Write("apart.hocon", """
            policyd {
              listen = ["127.0.0.1:{port}", "127.0.0.1:{end_port}"]
              connections { db { {connection} } }
              virtual_hosts = [
                { name = recipients, port = {port}, plugins = [] }
                { name = accounting, port = {end_port}, plugins = [
                  { name = a, module = Accounting, fields = "sender" }
                ] }
              ]
            }
            """);
        var json = _folder["result.json"];
        var (exit, output, error) = await BenchUnderTest.InvokeAsync(
            $"{Mails} --policyd usual={Server} --policyd apart={Server} --config apart={apart} --json {json}");
        Assert.True(exit == 0, output + error);
        Assert.Contains("usual, cold: sums: exact (60 mails in acct_client_address, acct_sender)", output, StringComparison.Ordinal);
        Assert.Contains("apart, warm: sums: exact (120 mails in acct_sender)", output, StringComparison.Ordinal);
        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(json, TestContext.Current.CancellationToken));
        var runs = result.RootElement.GetProperty("runs").EnumerateArray().ToArray();
        Assert.Equal(
            ["usual cold 240", "usual warm 240", "apart cold 240", "apart warm 240"],
            runs.Select(run => $"{run.GetProperty("server")} {run.GetProperty("run")} {run.GetProperty("requests")}"));
        Assert.All(runs, run => Assert.True(run.GetProperty("processor_microseconds").GetDouble() > 0));
    }

    [Fact]
    public async Task Mails_that_are_refused_or_not_counted_fail_the_command()
    {
        NeedsPostfix();
        var full = _folder.Write("full.hocon", """
            policyd {
              listen = ["127.0.0.1:{port}"]
              connections { db { {connection} } }
              virtual_hosts = [ { name = counting, port = {port}, plugins = [
                { name = q, module = Quota, field = sender, metric = count, threshold = 10, action = "defer full" }
                { name = a, module = Accounting, fields = sender }
              ] } ]
            }
            """);
        var (exit, output, error) = await BenchUnderTest.InvokeAsync($"{Mails} --policyd full={Server} --config {full}");
        Assert.True(exit == 1, output + error);
        Assert.Contains("full, cold: sums: acct_sender 30 (-30) of 60 mails", output, StringComparison.Ordinal);
        Assert.Contains("full, warm: sums: acct_sender 30 (-90) of 120 mails", output, StringComparison.Ordinal);
        Assert.Contains(": reject: RCPT from ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_original_is_measured_with_the_same_chain()
    {
        NeedsPostfix();
        Needs.Program("mtpolicyd");
        Needs.Program("memcached");
        await Needs.Perl("DBD::SQLite", "libdbd-sqlite3-perl");
        var (_, output, error) = await BenchUnderTest.InvokeAsync($"{Mails} --policyd {Server} --mtpolicyd");
        Assert.True(output.Contains("| mtpolicyd | warm | 240 |", StringComparison.Ordinal), output + error);
    }

    private static void NeedsPostfix()
    {
        Needs.Program("postfix");
        Needs.Program("smtp-source");
        Needs.Root();
    }
}
