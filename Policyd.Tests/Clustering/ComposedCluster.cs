using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// The cluster of docker-compose.yml without its containers: the same programs with the same files, in which only addresses, ports and
/// paths are others.
/// </summary>
internal sealed class ComposedCluster : IAsyncDisposable
{
    public const int Nodes = 3;

    private static readonly TimeSpan s_timeout = ClusterUnderTest.Timeout;

    private readonly TemporaryFolder _folder = new();
    private readonly PostgresServer _postgres = new();
    private readonly ProcessUnderTest?[] _nodes = new ProcessUnderTest?[Nodes];
    private readonly string _port = FreePort.Next().ToString(CultureInfo.InvariantCulture);
    private readonly string _clusterPort = FreePort.Next().ToString(CultureInfo.InvariantCulture);
    private ProcessUnderTest? _balancer;
    private string _dsn = string.Empty;

    private ComposedCluster()
    {
    }

    /// <summary>Where HAProxy listens.</summary>
    public PolicyEndpoint Address => PolicyEndpoint.Tcp($"127.0.8.{Nodes + 1}", int.Parse(_port, CultureInfo.InvariantCulture));

    /// <summary>What all of them have printed.</summary>
    public string Printed => string.Join("\n", _nodes.Append(_balancer).Select(
        static one => one is null ? "--- not started" : $"--- {one.Id}\n{string.Join('\n', one.Lines)}"));

    public static async Task<ComposedCluster> Start()
    {
        var cluster = new ComposedCluster();
        try
        {
            await cluster.Prepare();
            for (var node = 1; node <= Nodes; node++)
            {
                cluster.StartNode(node);
            }

            for (var node = 1; node <= Nodes; node++)
            {
                await cluster.IsMember(node);
            }

            await cluster.Balance();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>What the table has: mails by client.</summary>
    public async Task<Dictionary<string, long>> Counted()
    {
        await using var session = await ClusterDatabaseSession.Open(_dsn, "postgres");
        return await session.Numbers("SELECT key, sum(count) FROM acct_client_address GROUP BY key");
    }

    /// <summary>Runs policyd on the configuration of a node.</summary>
    public async Task<(int ExitCode, string Output)> Run(int node, params string[] arguments)
    {
        await using var process = Policyd(node, arguments);
        var code = await process.Exits(s_timeout);
        return (code, string.Join('\n', process.Lines));
    }

    /// <summary>Starts a node in a folder of its own, as a container has its volumes.</summary>
    public void StartNode(int node) => _nodes[node - 1] = Policyd(node, "serve");

    public Task IsMember(int node) => _nodes[node - 1]!.Prints(ClusterNodeUnderTest.MemberLine, s_timeout);

    public async Task Kill(int node)
    {
        _nodes[node - 1]!.Kill();
        await _nodes[node - 1]!.Exits();
        await _nodes[node - 1]!.DisposeAsync();
    }

    /// <summary>What HAProxy says of a node.</summary>
    public Task Tells(int node, string state) => _balancer!.Prints($"Server policy/mx{node} is {state}", s_timeout);

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _nodes.Append(_balancer).OfType<ProcessUnderTest>())
        {
            await process.DisposeAsync();
        }

        await _postgres.DisposeAsync();
        _folder.Dispose();
    }

    // As in its container, where the folders are those of the image.
    private ProcessUnderTest Policyd(int node, params string[] arguments) => ProcessUnderTest.Start(
        PolicydProcess.Executable,
        [.. arguments, "-c", _folder[$"mx{node}/policyd.hocon"]],
        new Dictionary<string, string>
        {
            ["POLICYD_NODE"] = Host(node),
            ["POSTGRES_PASSWORD"] = "policyd",
            ["RUNTIME_DIRECTORY"] = _folder[$"mx{node}"],
        },
        _folder[$"mx{node}"]);

    private static string Host(int node) => string.Create(CultureInfo.InvariantCulture, $"127.0.8.{node}");

    private static string Read(string file) => File.ReadAllText(FilesAbove.OfTheRepository($"packaging/cluster/{file}"));

    private async Task Balance()
    {
        var balancer = _balancer = ProcessUnderTest.Start(Needs.Program("haproxy"), ["-db", "-f", _folder["haproxy.cfg"]]);
        await Eventually.Settles(
            () => $"HAProxy to take connections:\n{Printed}",
            async () =>
            {
                Assert.False(balancer.HasExited, Printed);
                try
                {
                    await using var client = await PolicyClient.ConnectAsync(Address, TestContext.Current.CancellationToken);
                    return true;
                }
                catch (PolicyClientException)
                {
                    return false;
                }
            });
    }

    private async Task Prepare()
    {
        _dsn = await _postgres.NewDatabase();
        await _postgres.Execute(_dsn, $"CREATE ROLE policyd LOGIN; ALTER DATABASE {_dsn.Split('=', ';')[1]} OWNER TO policyd");
        var (code, printed) = await Certificates(_folder, "mx1", "mx2", "mx3");
        Assert.True(code == 0, printed);
        for (var node = 1; node <= Nodes; node++)
        {
            _folder.Write($"mx{node}/policyd.hocon", Read("policyd.hocon")
                .Replace("0.0.0.0:", $"{Host(node)}:", StringComparison.Ordinal)
                .Replace("12346", _port, StringComparison.Ordinal)
                .Replace("4053", _clusterPort, StringComparison.Ordinal)
                .Replace("/etc/policyd/tls", _folder[$"tls/mx{node}"], StringComparison.Ordinal)
                .Replace("dbi:Pg:dbname=policyd;host=db", _dsn, StringComparison.Ordinal));
        }

        var balancer = Read("haproxy.cfg").Replace("0.0.0.0:12346", Address.ToString(), StringComparison.Ordinal);
        for (var node = 1; node <= Nodes; node++)
        {
            balancer = balancer.Replace($"mx{node}:12346", $"{Host(node)}:{_port}", StringComparison.Ordinal);
        }

        _folder.Write("haproxy.cfg", balancer);
    }

    /// <summary>Runs the script that makes the certificates.</summary>
    public static Task<(int ExitCode, string Output)> Certificates(TemporaryFolder folder, params string[] names) => ProcessUnderTest.Run(
        "/bin/sh",
        [
            FilesAbove.OfTheRepository("packaging/cluster/certificates.sh"), "-o", System.Environment.UserName, folder["authority"],
            folder["tls"], .. names
        ]);
}
