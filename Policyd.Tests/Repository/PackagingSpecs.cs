using Policyd.Protocol;
using Policyd.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Policyd.Tests.Repository;

/// <summary>The unit, the image and the compose file: one layout of paths, and a server that counts where they say.</summary>
public sealed class PackagingSpecs
{
    private const string Program = "/usr/lib/policyd/policyd";

    [Theory]
    [InlineData("README.md")]
    [InlineData("packaging/policyd.service")]
    [InlineData("Dockerfile")]
    [InlineData("docs/migration.md")]
    public void Program_lies_in_one_place(string file)
    {
        var text = File.ReadAllText(FilesAbove.OfTheRepository(file));
        Assert.Contains("/usr/lib/policyd", text, StringComparison.Ordinal);
        Assert.DoesNotContain("/opt/", text, StringComparison.Ordinal);
    }

    [ServerTest]
    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_units_and_what_a_node_of_a_cluster_adds()
    {
        using var folder = new TemporaryFolder();
        var unit = await File.ReadAllTextAsync(
            FilesAbove.OfTheRepository("packaging/policyd.service"), TestContext.Current.CancellationToken);
        Assert.Contains(Program, unit, StringComparison.Ordinal);
        var copy = folder.Write("policyd.service", unit.Replace(Program, PolicydProcess.Executable, StringComparison.Ordinal));
        var socket = folder.Write("policyd.socket", await File.ReadAllTextAsync(
            FilesAbove.OfTheRepository("packaging/policyd.socket"), TestContext.Current.CancellationToken));
        folder.Write("policyd.service.d/cluster.conf", await File.ReadAllTextAsync(
            FilesAbove.OfTheRepository("packaging/cluster/systemd.conf"), TestContext.Current.CancellationToken));
        var (code, text) = await ProcessUnderTest.Run(Needs.Program("systemd-analyze"), "verify", "--man=no", copy, socket);
        Assert.True(code == 0 && !text.Contains("policyd.", StringComparison.Ordinal), text);
    }

    [Fact]
    public void Compose_file_keeps_what_is_counted_and_looks_after_the_server()
    {
        using var file = File.OpenText(FilesAbove.OfTheRepository("docker-compose.yml"));
        var yaml = new YamlStream();
        yaml.Load(file);
        var root = (YamlMappingNode)yaml.Documents[0].RootNode;
        var service = (YamlMappingNode)root["services"]["policyd"];
        Assert.Equal("/var/lib/policyd", Text(service["working_dir"]));
        var mounts = ((YamlSequenceNode)service["volumes"]).Select(Text).ToList();
        Assert.Contains("data:/var/lib/policyd", mounts);
        Assert.Contains("run:/run/policyd", mounts);
        Assert.Contains("./config:/etc/policyd:ro", mounts);
        Assert.Equal(
            ["data", "run", "authority", "database", "mx1-tls", "mx2-tls", "mx3-tls", "mx1-data", "mx2-data", "mx3-data"],
            ((YamlMappingNode)root["volumes"]).Children.Keys.Select(Text));
        Assert.Contains("policyd client", Text(service["healthcheck"]["test"][1]), StringComparison.Ordinal);
    }

    [ServerTest]
    [Fact]
    public async Task Health_check_of_the_compose_file_asks_a_server_that_counts_and_leaves_no_trace()
    {
        using var folder = new TemporaryFolder();
        var (reputation, accounting) = (FreePort.Next(), FreePort.Next());
        var shipped = await File.ReadAllTextAsync(
            FilesAbove.OfTheRepository("config/mtpolicyd.hocon"), TestContext.Current.CancellationToken);
        Directory.CreateDirectory(folder["data"]);
        var configuration = folder.Write(
            "mtpolicyd.hocon", shipped.Replace("12345", $"{reputation}", StringComparison.Ordinal)
                .Replace("12346", $"{accounting}", StringComparison.Ordinal));
        await using var server = ProcessUnderTest.Start(
            PolicydProcess.Executable,
            ["serve", "-c", configuration],
            new Dictionary<string, string> { ["RUNTIME_DIRECTORY"] = folder.Path },
            folder["data"]);
        await PolicydProcess.Listens(server, accounting);

        using var file = File.OpenText(FilesAbove.OfTheRepository("docker-compose.yml"));
        var yaml = new YamlStream();
        yaml.Load(file);
        var check = Text(yaml.Documents[0].RootNode["services"]["policyd"]["healthcheck"]["test"][1])
            .Replace("policyd client", $"'{PolicydProcess.Executable}' client", StringComparison.Ordinal)
                .Replace("12346", $"{accounting}", StringComparison.Ordinal);
        var (code, text) = await ProcessUnderTest.Run("/bin/sh", "-c", check);
        Assert.Equal((0, "dunno"), (code, text));

        await using var client = await PolicyClient.ConnectAsync(
            PolicyEndpoint.Tcp("127.0.0.1", accounting), TestContext.Current.CancellationToken);
        await client.AskAsync(
            PolicyRequestBuilder.AccessPolicy().Add("client_address", "192.0.2.7").Add("instance", "a").ToBytes(),
            TestContext.Current.CancellationToken);
        Assert.True(File.Exists(folder["data/var/policyd.db"]), "the counters lie in the working folder");
        server.Terminate();
        await server.Exits();
        Assert.Equal(["192.0.2.7"], SqliteFile.Rows(folder["data/var/policyd.db"], "SELECT key FROM acct_client_address"));
    }

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;
}
