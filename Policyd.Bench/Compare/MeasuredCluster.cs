using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Policyd.Actors.Counters;
using Policyd.Bench.Databases;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Compare;

/// <summary>Nodes of one build on loopback addresses, with one database. The first is asked; the second owns the keys of others.</summary>
internal sealed class MeasuredCluster : IAsyncDisposable
{
    private static readonly TimeSpan LongestJoin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);

    private readonly IReadOnlyList<Contender> _nodes;

    private MeasuredCluster(IReadOnlyList<Contender> nodes) => _nodes = nodes;

    public Contender Asked => _nodes[0];

    public Contender Other => _nodes[1];

    /// <summary>Starts the nodes at once, and waits until each has answered and the asked one knows all as members.</summary>
    /// <exception cref="InvalidOperationException">A node does not start or join.</exception>
    public static async Task<MeasuredCluster> StartAsync(ComparisonRun run, ContenderStart server, CancellationToken cancellation)
    {
        var database = new OneDatabase(await run.Databases.CreateAsync(run.Directory, cancellation).ConfigureAwait(false));
        var tls = run.Options.Tls ? NodeCertificates.Write(run.Directory, IPAddress.Loopback) : string.Empty;
        var ports = new List<int>();
        Task<Contender>[] starting =
        [
            .. Enumerable.Range(1, run.Options.Nodes).Select(number => Contender.StartAsync(
                NodeOf(server, number, tls, ports), run.Directory, database, node => IsMemberAsync(node, cancellation), cancellation)),
        ];
        try
        {
            var cluster = new MeasuredCluster(await Task.WhenAll(starting).ConfigureAwait(false));
            await cluster.WaitUntilWholeAsync(cancellation).ConfigureAwait(false);
            await cluster.Asked.CountFromNowAsync(cancellation).ConfigureAwait(false);
            return cluster;
        }
        catch
        {
            foreach (var started in starting.Where(one => one.IsCompletedSuccessfully))
            {
                await started.Result.DisposeAsync().ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Which node each partition of the keys is on.</summary>
    public async Task<IReadOnlyList<string>> PlacesAsync(CancellationToken cancellation)
    {
        var places = new string[ChosenKeys.Partitions];
        for (var partition = 0; partition < places.Length; partition++)
        {
            var key = ChosenKeys.AnyOf(partition);
            var arguments = new JsonObject { ["table"] = key.Table, ["key"] = key.Key };
            var owner = await AdminOf(Asked).AskAsync("cluster.owner", arguments, cancellation).ConfigureAwait(false);
            if (owner.GetProperty("partition").GetInt32() != partition)
            {
                throw new InvalidOperationException("This build of policyd puts keys into other partitions than Policyd.Bench does.");
            }

            places[partition] = owner.GetProperty("node").GetString()
                ?? throw new InvalidOperationException($"No node has answered for partition {partition}.");
        }

        return places;
    }

    /// <summary>The name that a node has in <see cref="PlacesAsync"/>.</summary>
    public static async Task<string> NameOfAsync(Contender node, CancellationToken cancellation) =>
        (await AdminOf(node).AskAsync("cluster.status", [], cancellation).ConfigureAwait(false)).GetProperty("node").GetString()!;

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static ContenderStart NodeOf(ContenderStart server, int number, string tls, List<int> ports)
    {
        IPEndPoint Take()
        {
            var endpoint = FreePort.Find(ports);
            ports.Add(endpoint.Port);
            return endpoint;
        }

        return server with
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"{server.Name}-node{number}"),
            Endpoint = Take(),
            Template = $$"""
                {{server.Template}}
                policyd {
                  admin { listen = "unix:{directory}/admin.sock" }
                  cluster { listen = "{{Take()}}", db = db, {{tls}} }
                }

                """,
        };
    }

    private static AdminSocket AdminOf(Contender node) => new(Path.Combine(node.Directory, "admin.sock"));

    private static async Task<bool> IsMemberAsync(Contender node, CancellationToken cancellation)
    {
        try
        {
            var status = await AdminOf(node).AskAsync("cluster.status", [], cancellation).ConfigureAwait(false);
            return status.GetProperty("working").GetBoolean();
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task WaitUntilWholeAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(LongestJoin);
        while (true)
        {
            var shown = await AdminOf(Asked).AskAsync("cluster.show", [], limit.Token).ConfigureAwait(false);
            if (shown.GetProperty("members").EnumerateArray().Count(one => one.GetProperty("status").GetString() == "up") == _nodes.Count)
            {
                return;
            }

            await Task.Delay(LookAgain, limit.Token).ConfigureAwait(false);
        }
    }
}
