using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// A network namespace for each node, joined by a bridge, so that a cut is silent: packets are sent to a network card that is not there.
/// The bridge has two addresses: clients come from one, and the database is reached at the other.
/// </summary>
internal sealed partial class ClusterNetwork : IAsyncDisposable
{
    /// <summary>Where the nodes reach a database, and the length of their network.</summary>
    public const string DatabaseAddress = $"{DatabaseHost}/24";

    private const string Nobody = "02:00:00:00:00:fe";
    private const string DatabaseHost = "10.77.0.253";
    private const int NewNetwork = 0x40000000;   // CLONE_NEWNET
    private static readonly string s_ip = Needs.Program("ip");

    // Always the same: what a run has left that was killed is taken away by the next.
    private const string Name = "policyd";
    private readonly int _nodes;

    private ClusterNetwork(int nodes) => _nodes = nodes;

    public static async Task<ClusterNetwork> Create(int nodes)
    {
        Needs.Root();
        var network = new ClusterNetwork(nodes);
        await network.DisposeAsync();   // what a killed run has left
        await Ip($"link add {Name} type bridge");
        await Ip($"addr add 10.77.0.254/24 dev {Name}");
        await Ip($"addr add {DatabaseAddress} dev {Name}");
        await Ip($"link set {Name} up");
        for (var node = 1; node <= nodes; node++)
        {
            var space = Space(node);
            await Ip($"netns add {space}");
            await Ip($"link add {space} type veth peer name eth0 netns {space}");
            await Ip($"link set {space} master {Name} up");
            await Ip($"-n {space} addr add {Host(node)}/24 dev eth0");
            await Ip($"-n {space} link set eth0 up");
            await Ip($"-n {space} link set lo up");
        }

        return network;
    }

    public static string Host(int node) => string.Create(CultureInfo.InvariantCulture, $"10.77.0.{node}");

    /// <summary>What a program is started with to run where a node is.</summary>
    public static string[] In(int node) => [s_ip, "netns", "exec", Space(node)];

    /// <summary>Where the nodes reach a database that listens on <see cref="DatabaseAddress"/>.</summary>
    public static string Reach(string dsn) => dsn.Replace("127.0.0.1", DatabaseHost, StringComparison.Ordinal);

    /// <summary>A connection to the database from where a node is.</summary>
    public static Socket Connect(int node, int port)
    {
        var socket = default(Socket);
        var error = default(Exception);

        // A namespace is the thread's.
        var thread = new Thread(() =>
        {
            try
            {
                using var space = File.OpenHandle($"/run/netns/{Space(node)}");
                Assert.Equal(0, Enter((int)space.DangerousGetHandle(), NewNetwork));
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Connect(DatabaseHost, port);
            }
            catch (Exception e)
            {
                error = e;
            }
        });
        thread.Start();
        thread.Join();
        return error is null ? socket! : throw new InvalidOperationException($"no connection from node {node}", error);
    }

    /// <summary>From now on a node and the others do not reach each other.</summary>
    /// <param name="node">Which.</param>
    /// <param name="alsoDatabase">Whether it loses the database as well.</param>
    public async Task Cut(int node, bool alsoDatabase)
    {
        foreach (var other in Enumerable.Range(1, _nodes).Where(other => other != node))
        {
            await Ip($"-n {Space(node)} neigh replace {Host(other)} lladdr {Nobody} nud permanent dev eth0");
            await Ip($"-n {Space(other)} neigh replace {Host(node)} lladdr {Nobody} nud permanent dev eth0");
        }

        if (alsoDatabase)
        {
            await Ip($"-n {Space(node)} neigh replace {DatabaseHost} lladdr {Nobody} nud permanent dev eth0");
        }
    }

    /// <summary>All reach each other again.</summary>
    public async Task Mend()
    {
        for (var node = 1; node <= _nodes; node++)
        {
            await Ip($"-n {Space(node)} neigh flush dev eth0 nud permanent");
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (var node = 1; node <= _nodes; node++)
        {
            // The system takes a namespace away some time later, and with it what is left in it.
            await ProcessUnderTest.Run(s_ip, "link", "del", Space(node));
            await ProcessUnderTest.Run(s_ip, "netns", "del", Space(node));
        }

        await ProcessUnderTest.Run(s_ip, "link", "del", Name);
    }

    private static string Space(int node) => string.Create(CultureInfo.InvariantCulture, $"{Name}n{node}");

    private static async Task Ip(string arguments)
    {
        var (code, text) = await ProcessUnderTest.Run(s_ip, arguments.Split(' '));
        Assert.True(code == 0, $"ip {arguments}: {text}");
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int Enter(int space, int kind);
}
