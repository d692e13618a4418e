using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Several real servers with one configuration but for their addresses and certificates, and one real database: a cluster as an operator
/// sets it up, on addresses of loopback.
/// </summary>
internal sealed class ClusterUnderTest : IAsyncDisposable
{
    public const int Threshold = 100;

    // Nothing is compiled ahead of time, and the machine may be busy.
    public static readonly TimeSpan Timeout = TimeSpan.FromMinutes(3);

    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly string _dsn;

    private ClusterUnderTest(ClusterSetup setup, IDatabaseServer database, string dsn)
    {
        (Database, _dsn) = (database, dsn);
        var sql = $"dsn = \"{(setup.Network is null ? dsn : ClusterNetwork.Reach(dsn))}\", user = {database.User}, password = secret";
        Nodes = [.. Enumerable.Range(1, setup.Nodes).Select(
            number => new ClusterNodeUnderTest(number, _folder, _authority, sql, setup))];
    }

    public IReadOnlyList<ClusterNodeUnderTest> Nodes { get; }

    public IDatabaseServer Database { get; }

    /// <summary>What all nodes have printed.</summary>
    public string Printed => string.Join('\n', Nodes.Select(static node => $"--- {node.Host}\n{node.Printed}"));

    /// <summary>Nodes on loopback, with a chain of one Quota and one Accounting and a PostgreSQL.</summary>
    public static Task<ClusterUnderTest> Start(int nodes) => Start(new ClusterSetup(nodes));

    /// <summary>Returns when all nodes are members.</summary>
    public static async Task<ClusterUnderTest> Start(ClusterSetup setup)
    {
        IDatabaseServer database = setup.OnMariaDb
            ? new MariaDbServer()
            : new PostgresServer { AlsoOn = setup.Network is null ? null : ClusterNetwork.DatabaseAddress };
        var cluster = new ClusterUnderTest(setup, database, await database.NewDatabase());
        try
        {
            await Task.WhenAll(cluster.Nodes.Select(static node => node.Start()));
            await cluster.IsWhole();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until every node has said that it is a member in its present life.</summary>
    public async Task IsWhole()
    {
        foreach (var node in Nodes)
        {
            await node.IsMember();
        }
    }

    /// <summary>What the table has: mails by sender.</summary>
    public Task<Dictionary<string, long>> Counted()
    {
        var key = Database is MariaDbServer ? "`key`" : "key";
        return Numbers($"SELECT {key}, sum(count) FROM acct_sender GROUP BY {key}");
    }

    /// <summary>The members in the database, each with its beat.</summary>
    public Task<Dictionary<string, long>> Entered() => Numbers("SELECT member, beat FROM policyd_members");

    /// <summary>The rows of a query: a text and a number each.</summary>
    public async Task<Dictionary<string, long>> Numbers(string sql)
    {
        await using var session = await OpenDatabase();
        return await session.Numbers(sql);
    }

    /// <summary>A connection to the common database.</summary>
    public Task<ClusterDatabaseSession> OpenDatabase() => ClusterDatabaseSession.Open(_dsn, Database.User);

    /// <summary>The node that runs what runs once in the cluster, as another sees it: also the coordinator of its shards.</summary>
    public async Task<ClusterNodeUnderTest> Oldest()
    {
        foreach (var node in Nodes.Where(static node => !node.Process.HasExited))
        {
            var status = (await node.Ask("status")).Output;
            if (Nodes.FirstOrDefault(one => status.Split('\n').Any(
                line => line.StartsWith("oldest ", StringComparison.Ordinal)
                    && line.Contains($"@{one.Host}:", StringComparison.Ordinal))) is { } oldest)
            {
                return oldest;
            }
        }

        throw new InvalidOperationException("no node knows the oldest");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }

        await Database.DisposeAsync();
        _authority.Dispose();
        _folder.Dispose();
    }
}

/// <summary>What a cluster of a test is like.</summary>
/// <param name="Nodes">How many there are.</param>
internal sealed record ClusterSetup(int Nodes)
{
    /// <summary>Where each is; null: all on loopback.</summary>
    public ClusterNetwork? Network { get; init; }

    /// <summary>Whether the common database is a MariaDB, and not a PostgreSQL.</summary>
    public bool OnMariaDb { get; init; }

    /// <summary>The server that is started first.</summary>
    public string Program { get; init; } = PolicydProcess.Executable;

    /// <summary>More options of <c>cluster { }</c>.</summary>
    public string Cluster { get; init; } = "";

    /// <summary>More sections of <c>policyd { }</c>.</summary>
    public string Sections { get; init; } = "cron { enabled = off }";

    /// <summary>More connections.</summary>
    public string Connections { get; init; } = "";

    /// <summary>The chain.</summary>
    public string Plugins { get; init; } = $$"""
        {
          name = q, module = Quota, field = sender, metric = count, threshold = {{ClusterUnderTest.Threshold}}, time_pattern = "%Y"
          action = "reject full", when_unavailable = "defer try later"
        }
        { name = a, module = Accounting, fields = sender, time_pattern = "%Y", on_error = "defer try later" }
        """;
}

/// <summary>One of them.</summary>
internal sealed class ClusterNodeUnderTest : IAsyncDisposable
{
    /// <summary>What a node says when it has become a member. Another line says what is away until it is one.</summary>
    public const string MemberLine = "this node is a member, as ";

    private readonly string _configuration;
    private readonly TemporaryFolder _folder;
    private readonly TestAuthority _authority;
    private readonly string _name;
    private readonly string _state;
    private readonly string[] _in;
    private ProcessUnderTest? _process;

    public ClusterNodeUnderTest(int number, TemporaryFolder folder, TestAuthority authority, string sql, ClusterSetup setup)
    {
        var network = setup.Network;
        // An address for each: a node is told from the others by it.
        Host = network is null ? $"127.0.7.{number}" : ClusterNetwork.Host(number);
        _in = network is null ? [] : ClusterNetwork.In(number);
        Address = PolicyEndpoint.Tcp(network is null ? "127.0.0.1" : Host, Port);
        (_folder, _authority, _name, Program) = (folder, authority, $"node{number}", setup.Program);
        _state = folder[_name];
        Certify();
        folder.Write($"{_name}/ca.pem", authority.Pem);
        var tls = $"certificate = \"{_state}/mx.pem\", key = \"{_state}/mx.key\", ca_file = \"{_state}/ca.pem\"";
        _configuration = folder.Write($"{_name}/policyd.hocon", $$"""
            policyd {
              listen = ["{{Address}}"]
              {{setup.Sections}}
              admin { listen = "unix:{{_state}}/admin.sock" }
              cluster { listen = "{{Host}}:{{FreePort.Next()}}", db = db, tls { {{tls}}, names = ["*.example.org"] }, {{setup.Cluster}} }
              connections { db { module = Sql, {{sql}} }, {{setup.Connections}} }
              virtual_hosts = [ {
                name = x
                port = {{Port}}
                plugins = [
                {{setup.Plugins}}
                ]
              } ]
            }
            """);
    }

    public string Host { get; }

    /// <summary>Where clients reach it.</summary>
    public PolicyEndpoint Address { get; }

    public int Port { get; } = FreePort.Next();

    /// <summary>The executable of its next start.</summary>
    public string Program { get; set; }

    public ProcessUnderTest Process => _process ?? throw new InvalidOperationException("the node was not started");

    public async Task Start()
    {
        if (_process is { } former)
        {
            await former.DisposeAsync();
        }

        string[] command = [.. _in, Program, "serve", "-c", _configuration];
        _process = ProcessUnderTest.Start(
            command[0], command[1..], new Dictionary<string, string> { ["STATE_DIRECTORY"] = _state });
        await _process.Prints("listening on", ClusterUnderTest.Timeout);
    }

    /// <summary>Gives it a new certificate and key.</summary>
    /// <param name="until">Until when it is valid, from now on; null: long.</param>
    public void Certify(TimeSpan? until = null)
    {
        var (certificate, key) = _authority.Issue([$"{_name}.example.org"], until: until);
        _folder.Write($"{_name}/mx.key", key);
        _folder.Write($"{_name}/mx.pem", certificate);
    }

    /// <summary>Waits until <c>policyd cluster show</c> counts so many members.</summary>
    public async Task Sees(int members)
    {
        var shown = string.Empty;
        await Eventually.Settles(
            () => $"policyd cluster show on {Host} to count {members} nodes, not {shown}; it printed:\n{Printed}",
            async () => (shown = (await Ask("show")).Output).EndsWith($"Count: {members} nodes", StringComparison.Ordinal),
            ClusterUnderTest.Timeout);
    }

    /// <summary>Waits until <c>policyd cluster status</c> shows a state.</summary>
    public async Task IsInState(string state)
    {
        var shown = string.Empty;
        await Eventually.Settles(
            () => $"node {Host} to be {state}; it shows:\n{shown}\nand printed:\n{Printed}",
            async () => (shown = (await Ask("status")).Output).Split('\n').Any(
                line => line.StartsWith("state ", StringComparison.Ordinal) && line[5..].Split(':')[0].Trim() == state),
            ClusterUnderTest.Timeout);
    }

    /// <summary>Waits until the process has become a member so many times.</summary>
    public Task IsMember(int times = 1) => Eventually.Settles(
        () => $"node {Host} to be a member {times} times; it printed:\n{Printed}",
        () => Task.FromResult(MemberLines >= times
            || (Process.HasExited ? throw new InvalidOperationException($"node {Host} ended with {Process.ExitCode}:\n{Printed}") : false)),
        ClusterUnderTest.Timeout);

    /// <summary>How often it has become a member since its start.</summary>
    public int MemberLines => Process.Lines.Count(static line => line.Contains(MemberLine, StringComparison.Ordinal));

    public string Printed => string.Join('\n', Process.Lines);

    /// <summary>Waits until it knows which node counts a sender.</summary>
    public async Task KnowsOwnerOf(string sender)
    {
        var shown = string.Empty;
        await Eventually.Settles(
            () => $"node {Host} to know the owner of {sender}; it shows:\n{shown}\nand printed:\n{Printed}",
            async () =>
            {
                (var exitCode, shown) = await Ask("owner", "sender", sender, "--json");
                return exitCode == 0 && JsonDocument.Parse(shown).RootElement.GetProperty("node").GetString() is not null;
            },
            ClusterUnderTest.Timeout);
    }

    /// <summary>Runs <c>policyd cluster</c> against it.</summary>
    public Task<(int ExitCode, string Output)> Ask(params string[] arguments) =>
        ProcessUnderTest.Run(PolicydProcess.Executable, ["cluster", .. arguments, "-c", _configuration]);

    /// <summary>SIGSTOP: it keeps its sockets and says nothing.</summary>
    public void Freeze() => ProcessUnderTest.FreezeTree(Process.Id);

    public void Thaw() => ProcessUnderTest.Thaw([Process.Id]);

    public async Task Kill()
    {
        Process.Kill();
        await Process.Exits();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }
}
