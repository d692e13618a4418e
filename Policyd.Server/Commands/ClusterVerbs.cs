// policyd cluster show|status|shards|owner|leave|down|down-unreachable|join: the grammar, and one question to the running server each.

using System.CommandLine;
using System.Text.Json.Nodes;
using Policyd.Server.Admin.Cluster;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

internal sealed class ClusterVerbs(TextWriter output) : AdminVerb(output)
{
    private readonly CounterArguments _counter = new();

    private ClusterView View => new(Output);

    public Command Build()
    {
        var cluster = new Command("cluster", "Show and change the cluster that the running server is a node of.");
        PolicydCommandLine.AddHelp(
            cluster,
            "  policyd cluster show\n  policyd cluster status || echo 'this node does not count'\n  policyd cluster "
                + "owner client_address 192.0.2.7\n  policyd cluster down mx2.example.org:4053",
            "--help",
            "-h",
            "-?");
        foreach (var verb in new[] { Show(), Status(), Shards(), Owner(), Leave(), Down(), DownUnreachable(), Join() })
        {
            cluster.Subcommands.Add(verb);
        }

        return cluster;
    }

    private Command Show()
    {
        var verb = Verb("show", "Show the members of the cluster.", "  policyd cluster show\n  policyd cluster show --json");
        verb.SetAction((result, cancellation) =>
            AskAsync("cluster.show", [], result, ClusterReports.Default.ShowReport, View.Write, cancellation));
        return verb;
    }

    private Command Status()
    {
        var verb = Verb(
            "status",
            "Show the state of this node; the exit code is 69 when it is not a working member.",
            "  policyd cluster status\n  policyd cluster status --json | jq .outbox.adds");
        verb.SetAction((result, cancellation) => AskAsync(
            "cluster.status",
            [],
            result,
            ClusterReports.Default.StatusReport,
            View.Write,
            cancellation,
            static report => report.Working ? ExitCode.Ok : ExitCode.Unavailable));
        return verb;
    }

    private Command Shards()
    {
        var verb = Verb("shards", "Show which node has which part of the keys.", "  policyd cluster shards");
        verb.SetAction((result, cancellation) =>
            AskAsync("cluster.shards", [], result, ClusterReports.Default.ShardsReport, View.Write, cancellation));
        return verb;
    }

    private Command Owner()
    {
        var verb = Verb(
            "owner",
            "Show the node that counts a key.",
            "  policyd cluster owner client_address 192.0.2.7\n  policyd cluster owner acct_sasl_username anna --db db",
            _counter.Db);
        verb.Arguments.Add(_counter.Table);
        verb.Arguments.Add(_counter.Key);
        verb.SetAction((result, cancellation) =>
        {
            var arguments = new JsonObject
            {
                ["table"] = result.GetRequiredValue(_counter.Table),
                ["key"] = result.GetRequiredValue(_counter.Key),
            };
            if (result.GetValue(_counter.Db) is { } db)
            {
                arguments["db"] = db;
            }

            return AskAsync(
                "cluster.owner",
                arguments,
                result,
                ClusterReports.Default.OwnerReport,
                View.Write,
                cancellation,
                static report => report.Node is null ? ExitCode.Unavailable : ExitCode.Ok);
        });
        return verb;
    }

    private Command Leave()
    {
        var verb = Verb(
            "leave",
            "Hand over the keys of this node, leave the cluster and stop the server; its exit code is 0.",
            "  policyd cluster leave");
        verb.SetAction((result, cancellation) => Change(
            "cluster.leave",
            [],
            result,
            static nodes => $"{string.Join(", ", nodes)} leaves the cluster, and the server stops",
            cancellation));
        return verb;
    }

    private Command Down()
    {
        var node = new Argument<string>("NODE") { Description = "The address of the member: HOST:PORT." };
        var verb = Verb(
            "down",
            "Declare another member lost: it is fenced, and its keys move to other nodes.",
            "  policyd cluster down mx2.example.org:4053");
        verb.Arguments.Add(node);
        verb.SetAction((result, cancellation) => Change(
            "cluster.down", new JsonObject { ["node"] = result.GetRequiredValue(node) }, result, Downed, cancellation));
        return verb;
    }

    private Command DownUnreachable()
    {
        var verb = Verb(
            "down-unreachable", "Declare all members lost that this node does not reach.", "  policyd cluster down-unreachable");
        verb.SetAction((result, cancellation) => Change("cluster.down-unreachable", [], result, Downed, cancellation));
        return verb;
    }

    private Command Join()
    {
        var address = new Argument<string>("ADDRESS") { Description = "The address of a member: HOST:PORT." };
        var verb = Verb(
            "join",
            "Ask a member to take this node in; only for a node that is not a member.",
            "  policyd cluster join mx1.example.org:4053");
        verb.Arguments.Add(address);
        verb.SetAction((result, cancellation) => Change(
            "cluster.join",
            new JsonObject { ["address"] = result.GetRequiredValue(address) },
            result,
            static nodes => $"{string.Join(", ", nodes)} is asked to take this node in; \"policyd cluster status\" shows the result",
            cancellation));
        return verb;
    }

    private Task<int> Change(
        string command,
        JsonObject arguments,
        ParseResult result,
        Func<IReadOnlyList<string>, string> told,
        CancellationToken cancellation) =>
        AskAsync(
            command,
            arguments,
            result,
            ClusterReports.Default.NodesReport,
            report => View.Line(told(report.Nodes)),
            cancellation);

    private static string Downed(IReadOnlyList<string> nodes) => nodes switch
    {
        [] => "no member is unreachable",
        [var one] => $"{one} is declared down",
        _ => $"{string.Join(", ", nodes)} are declared down",
    };
}
