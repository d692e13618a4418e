using System.Net;
using Policyd.Bench.Compare;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The servers of a comparison as the command line names them.</summary>
public sealed class ServerListSpecs : IDisposable
{
    private static readonly IPEndPoint Fixed = new(IPAddress.Loopback, 12345);

    private readonly string _directory = Directory.CreateTempSubdirectory("policyd-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("new=/opt/policyd", "new", "/opt/policyd")]
    [InlineData("a.b-c_1=x=y", "a.b-c_1", "x=y")]
    [InlineData("/opt/a=b/policyd", null, "/opt/a=b/policyd")]
    [InlineData("env A=1 policyd", null, "env A=1 policyd")]
    [InlineData("policyd", null, "policyd")]
    [InlineData("=policyd", null, "=policyd")]
    public void Name_is_a_word_before_the_first_equals_sign(string text, string? name, string value) =>
        Assert.Equal(new NamedValue(name, value), NamedValue.Parse(text));

    [Fact]
    public void Without_anything_it_is_the_built_server_with_a_plain_chain_beside_the_echo()
    {
        var servers = List([], []).Resolve("/programs");
        Assert.Equal(["policyd", "echo"], servers.Select(server => server.Name));
        Assert.Equal(["/programs/policyd", "serve", "-c", "{config}"], servers[0].Command);
        Assert.Contains($"port = {((IPEndPoint)servers[0].Endpoint).Port}", servers[0].Configuration, StringComparison.Ordinal);
        Assert.Equal(["/programs/Policyd.Bench", "echo", "--listen", servers[1].Endpoint.ToString()!], servers[1].Command);
        Assert.Equal([true, false], servers.Select(server => server.IsOurs));
    }

    [Fact]
    public void Chain_that_counts_is_for_a_server_without_a_configuration_of_its_own()
    {
        var file = Write("own.hocon", "own {port}");
        var servers = (List(["new=a", "own=b"], [$"own={file}"]) with { Usual = Chains.Text(ChainKind.Counting) }).Resolve("/programs");
        Assert.Equal([true, false, false], servers.Select(server => server.Counts));
        Assert.Contains("module = Accounting", servers[0].Configuration, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_server_has_its_own_port_and_its_own_or_the_common_configuration()
    {
        var common = Write("common.hocon", "common {port}");
        var own = Write("own.hocon", "own {port}");
        var servers = List(["new=a", "b", "old=c {config} -x"], [common, $"old={own}"]).Resolve("/programs");
        Assert.Equal(["new", "policyd-2", "old", "echo"], servers.Select(server => server.Name));
        Assert.Equal(4, servers.Select(server => ((IPEndPoint)server.Endpoint).Port).Distinct().Count());
        Assert.Equal(
            ["common", "common", "own"],
            servers.Take(3).Select(server => server.Configuration![..server.Configuration!.IndexOf(' ', StringComparison.Ordinal)]));
        Assert.Equal(["c", "{config}", "-x"], servers[2].Command);
        Assert.Equal(
            ["new / echo", "policyd-2 / echo", "old / echo", "new / policyd-2", "new / old"],
            Comparison.PairsOf(servers).Select(pair => pair.ToString()));
    }

    [Fact]
    public void Configuration_with_a_port_of_its_own_is_used_where_it_is()
    {
        var file = Write("fixed.hocon", "fixed");
        var servers = new ServerList([], [NamedValue.Parse(file)], Fixed, "other --it", new IPEndPoint(IPAddress.Loopback, 2)).Resolve(
            "/programs");
        Assert.Equal((Fixed, null), (servers[0].Endpoint, servers[0].Configuration));
        Assert.Equal(["/programs/policyd", "serve", "-c", file], servers[0].Command);
        Assert.Equal("against", servers[1].Name);
        Assert.Equal(["other", "--it"], servers[1].Command);
    }

    [Fact]
    public void What_does_not_fit_together_is_named()
    {
        var file = Write("fixed.hocon", "fixed");
        var free = Write("free.hocon", "{port}");
        Assert.Contains("does not take its port", Refused(List([], [file])), StringComparison.Ordinal);
        Assert.Contains(
            "Several servers",
            Refused(new ServerList([new(null, "a"), new(null, "b")], [new(null, file)], Fixed, null, null)),
            StringComparison.Ordinal);
        Assert.Contains("there is none", Refused(new ServerList([], [new(null, free)], Fixed, null, null)), StringComparison.Ordinal);
        Assert.Contains("given twice", Refused(List([], [free, free])), StringComparison.Ordinal);
        Assert.Contains("given twice for policyd", Refused(List([], [$"policyd={free}", $"policyd={free}"])), StringComparison.Ordinal);
        Assert.Contains("the name echo is taken", Refused(List(["echo=a"], [])), StringComparison.Ordinal);
        Assert.Contains("new has no command", Refused(List(["new="], [])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_is_written_for_each_start_with_its_directory()
    {
        var start = new ContenderStart("policyd", ["a", "{config}"], Fixed, "state = {directory}/counters, db { {connection} }");
        Assert.True(start.Counts);
        var command = await start.PrepareAsync(_directory, "module = Sql", TestContext.Current.CancellationToken);
        Assert.Equal("a", command[0]);
        Assert.Equal(
            $"state = {_directory}/counters, db {{ module = Sql }}",
            await File.ReadAllTextAsync(command[1], TestContext.Current.CancellationToken));
    }

    private static ServerList List(string[] policyd, string[] config) =>
        new([.. policyd.Select(NamedValue.Parse)], [.. config.Select(NamedValue.Parse)], null, null, null);

    private static string Refused(ServerList list) => Assert.Throws<FormatException>(() => list.Resolve("/programs")).Message;

    private string Write(string name, string text)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllText(path, text);
        return path;
    }
}
