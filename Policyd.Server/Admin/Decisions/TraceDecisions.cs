using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Policyd.Actors.Server;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;

namespace Policyd.Server.Admin.Decisions;

/// <summary><c>trace</c>: the decisions from now on, a line each, until the asker closes the connection.</summary>
internal sealed class TraceDecisions(IPolicyServerHandle server) : IAdminCommand
{
    // Each keeps a connection of the endpoint, and some must be left for other commands.
    private const int MostReaders = 8;

    private int _readers;

    public string Name => "trace";

    public IReadOnlyList<string> Arguments { get; } = ["user", "client", "rule", "action", "verbose"];

    public Task<JsonNode> RunAsync(AdminArguments arguments, AdminCaller caller, CancellationToken ct)
    {
        _ = FilterOf(arguments);
        return Volatile.Read(ref _readers) >= MostReaders
            ? throw new AdminException(AdminError.Busy, $"there are already {MostReaders} readers of decisions")
            : Task.FromResult<JsonNode>(new JsonObject { ["following"] = true });
    }

    public IAsyncEnumerable<JsonNode> Follow(AdminArguments arguments)
    {
        var verbose = arguments.Flag("verbose");
        return FollowAsync(
            new WaitingDecisions(verbose ? DecisionDepth.Facts : DecisionDepth.Steps, FilterOf(arguments).Matches), verbose);
    }

    private static DecisionFilter FilterOf(AdminArguments arguments)
    {
        var filter = new DecisionFilter
        {
            User = arguments.Text("user"),
            Rule = arguments.Text("rule"),
            Action = arguments.Text("action"),
        };
        if (arguments.Text("client") is { } client && !filter.TrySetClient(client))
        {
            throw new AdminException(AdminError.BadRequest, $"\"{client}\" is neither an address nor a network such as 192.0.2.0/24");
        }

        return filter;
    }

    private async IAsyncEnumerable<JsonNode> FollowAsync(
        WaitingDecisions queue, bool verbose, [EnumeratorCancellation] CancellationToken ct = default)
    {
        using var reader = queue;
        using var listening = server.Decisions.Listen(queue);
        Interlocked.Increment(ref _readers);
        try
        {
            while (true)
            {
                var (records, lost) = await queue.TakeAsync(ct);
                foreach (var report in records.Select(record => TraceReport.Of(record, verbose)).ToList())
                {
                    yield return TraceReports.ToNode(report);
                }

                if (lost > 0)
                {
                    yield return TraceReports.ToNode(new TraceReport(Lost: lost));
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref _readers);
        }
    }
}
