using System.Runtime.Versioning;
using System.Security.Cryptography.X509Certificates;
using Policyd.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Policyd.Tests.Clustering;

/// <summary>The cluster of docker-compose.yml: its files fit each other, and the programs that they start count together.</summary>
[ServerTest]
[UnsupportedOSPlatform("windows")]
public sealed class ComposedClusterSpecs(ITestOutputHelper output)
{
    private const int Senders = 20;

    [Fact]
    public async Task Mails_through_HAProxy_are_counted_once_while_a_node_is_killed()
    {
        await using var cluster = await ComposedCluster.Start();
        for (var node = 1; node <= ComposedCluster.Nodes; node++)
        {
            var (code, told) = await cluster.Run(node, "check");
            Assert.True(code == 0 && !told.Contains("warning", StringComparison.Ordinal), told);
        }

        await using var clients = new ClusterClients(
            [cluster.Address], () => cluster.Printed, clients: 16, Senders, mails: 100_000, seed: 1);
        await clients.More(300);
        await cluster.Kill(1);
        await cluster.Tells(1, "DOWN");
        await clients.More(300);
        cluster.StartNode(1);
        await cluster.IsMember(1);
        await cluster.Tells(1, "UP");
        await clients.More(300);
        await clients.EndAsync();

        var answered = clients.Answered.GroupBy(static mail => ClusterClients.ClientOf(mail.Number % Senders))
            .ToDictionary(static of => of.Key, static of => (long)of.Count());
        var counted = new Dictionary<string, long>();
        await Eventually.Settles(
            () => $"all answered mails to be counted: {string.Join(", ", answered.Except(counted))}\n{cluster.Printed}",
            async () => (counted = await cluster.Counted()).Values.Sum() >= answered.Values.Sum(),
            ClusterUnderTest.Timeout);
        Assert.Equal(answered, counted);
        Summary.Line(output, $"three nodes behind HAProxy, one killed: {clients.Answered.Count} mails answered, all counted once");
    }

    [Fact]
    public async Task Compose_file_is_valid_and_names_the_same_nodes_as_the_files_that_it_mounts()
    {
        var file = FilesAbove.OfTheRepository("docker-compose.yml");
        var (code, text) = await ProcessUnderTest.Run(
            Needs.Program("docker-compose"), "-f", file, "--profile", "cluster", "config");
        Assert.True(code == 0, text);

        var yaml = new YamlStream();
        using var reader = File.OpenText(file);
        yaml.Load(reader);
        var services = ((YamlMappingNode)yaml.Documents[0].RootNode["services"]).Children;
        string[] nodes = ["mx1", "mx2", "mx3"];
        Assert.Equal(["policyd", .. nodes, "certificates", "db", "haproxy"], services.Keys.Select(Text));
        foreach (var node in nodes)
        {
            Assert.Equal(node, Text(services[node]["environment"]["POLICYD_NODE"]));
            Assert.Equal(
                [
                    "./packaging/cluster/policyd.hocon:/etc/policyd/policyd.hocon:ro", $"{node}-tls:/etc/policyd/tls:ro",
                    $"{node}-data:/var/lib/policyd"
                ],
                Texts(services[node]["volumes"]));
        }

        Assert.Equal(nodes, Texts(services["certificates"]["entrypoint"]).TakeLast(nodes.Length));
        Assert.Equal(["127.0.0.1:12346:12346"], Texts(services["haproxy"]["ports"]));
        Assert.Contains($"names = [{string.Join(", ", nodes.Select(static node => $"\"{node}\""))}]", Packaged("policyd.hocon"));
        var balancer = Packaged("haproxy.cfg");
        Assert.All(nodes, node => Assert.Contains($"server {node} {node}:12346\n", balancer, StringComparison.Ordinal));
        Assert.Equal(ComposedCluster.Nodes, nodes.Length);
    }

    [Fact]
    public async Task Certificates_are_made_once_and_renewed_when_they_end_soon_or_are_of_another_authority()
    {
        using var folder = new TemporaryFolder();
        var (code, printed) = await ComposedCluster.Certificates(folder, "mx1", "mx2");
        Assert.True(code == 0, printed);
        Assert.All(["authority/ca.key", "tls/mx1/node.key", "tls/mx2/node.key"], name => Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder[name])));
        Assert.Equal(
            ["ca.pem", "node.key", "node.pem"],
            Directory.GetFiles(folder["tls/mx1"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        var first = await File.ReadAllTextAsync(folder["tls/mx1/node.pem"], TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), await ComposedCluster.Certificates(folder, "mx1", "mx2"));
        Assert.Equal(first, await File.ReadAllTextAsync(folder["tls/mx1/node.pem"], TestContext.Current.CancellationToken));

        using var authority = new TestAuthority();
        folder.Write("tls/mx2/node.pem", authority.Issue(["mx2"]).Certificate);
        (code, printed) = await ComposedCluster.Certificates(folder, "mx1", "mx2");
        Assert.Equal((0, $"made {folder["tls/mx2/node.pem"]}, valid for 365 days"), (code, printed));
    }

    [Theory]
    [InlineData("10.0.0.1", true)]
    [InlineData("2001:db8::1", true)]
    [InlineData("mx1", false)]
    [InlineData("10.example", false)]
    public async Task Certificate_for_an_address_names_an_address(string name, bool isAddress)
    {
        using var folder = new TemporaryFolder();
        var (code, printed) = await ComposedCluster.Certificates(folder, name);
        Assert.True(code == 0, printed);
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(folder[$"tls/{name}/node.pem"]);
        var names = Assert.Single(certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>());
        Assert.Equal(isAddress ? [name] : [], names.EnumerateIPAddresses().Select(static address => address.ToString()));
        Assert.Equal(isAddress ? [] : [name], names.EnumerateDnsNames());
    }

    [Fact]
    public async Task Configuration_that_the_page_shows_passes_check_with_certificates_of_the_script()
    {
        const string Node = "mx1.example.org";
        using var folder = new TemporaryFolder();
        var (code, text) = await ComposedCluster.Certificates(folder, Node);
        Assert.True(code == 0, text);
        var page = await File.ReadAllTextAsync(FilesAbove.OfTheRepository("docs/cluster.md"), TestContext.Current.CancellationToken);
        var shown = page.Split("```hocon")[1].Split("```")[0];
        var configuration = folder.Write(
            "policyd.hocon", shown.Replace("/etc/policyd/tls", folder[$"tls/{Node}"], StringComparison.Ordinal));
        (code, text) = await ProcessUnderTest.Run(PolicydProcess.Executable, "check", "--offline", "-c", configuration);
        Assert.Equal((0, $"{configuration}: no errors"), (code, text));
    }

    private static string Packaged(string file) => File.ReadAllText(FilesAbove.OfTheRepository($"packaging/cluster/{file}"));

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static IEnumerable<string> Texts(YamlNode node) => ((YamlSequenceNode)node).Select(Text);
}
