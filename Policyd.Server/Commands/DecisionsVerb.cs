// policyd decisions: what was decided, from the database that the server writes its decisions to, whether it runs or not.

using System.CommandLine;
using System.Data.Common;
using System.Text.Json;
using Policyd.Backends.Schema;
using Policyd.Backends.SqlDecisions;
using Policyd.Configuration.Values;
using Policyd.Engine.Decisions;
using Policyd.Engine.Model;
using Policyd.Plugins.Addresses;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.ExitCodes;
using Policyd.Server.History;
using Policyd.Server.Loading;
using Policyd.Server.Logging;

namespace Policyd.Server.Commands;

internal sealed class DecisionsVerb(TextWriter output, TextWriter error) : AdminVerb(output, AdminVerb.LineByLine)
{
    private const int NoneFound = 1;
    private const int UsualLimit = 50;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Option<string?> _id = Text("--id", "ID", "Show the whole of one decision, by the name that the text of a bounce has.");
    private readonly Option<string?> _user = Text("--user", "USER", "Only mails of this user (sasl_username).");
    private readonly Option<string?> _client = Text(
        "--client", "NET", "Only mails of clients in this network, such as 192.0.2.0/24, or of this address.");

    private readonly Option<string?> _sender = Text("--sender", "ADDRESS", "Only mails of this sender; \"<>\": bounces.");
    private readonly Option<string?> _recipient = Text("--recipient", "ADDRESS", "Only mails to this recipient.");
    private readonly Option<string?> _queueId = Text("--queue-id", "ID", "Only the mail with this queue id of Postfix.");
    private readonly Option<string?> _rule = Text(
        "--rule", "PLUGIN", "Only what this plugin decided, or, when it is observed, would have answered.");

    private readonly Option<string?> _action = Text(
        "--action", "KIND", "Only actions of this kind: the first word; reject has 5NN too, defer 4NN and defer_if_…; none: no answer.");

    private readonly Option<string?> _since = Text("--since", "TIME", "Only decisions of the last such time: 30m, 2h, 7d.");
    private readonly Option<int> _limit = new("--limit")
    {
        Description = "How many decisions at most, the newest of them.",
        HelpName = "N",
        DefaultValueFactory = static _ => UsualLimit,
    };

    public Command Build()
    {
        var verb = Verb(
            "decisions",
            "Search the decisions that policyd { decisions { } } keeps, the newest last. Exit code 1 when there are none.",
            "  policyd decisions --recipient b@example.org --since 2h\n  policyd decisions --id 38h647t271xg5c9g41fv\n"
                + "  policyd decisions --rule limit --json | jq -r .sasl_username",
            _id,
            _user,
            _client,
            _sender,
            _recipient,
            _queueId,
            _rule,
            _action,
            _since,
            _limit);
        verb.SetAction(RunAsync);
        return verb;
    }

    private static Option<string?> Text(string name, string helpName, string description) =>
        new(name) { Description = description, HelpName = helpName };

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var search = SearchOf(result);
        var configuration = LoadedConfiguration.Read(ConfigOf(result));
        if (configuration.Build(error) is not { } model)
        {
            return ExitCode.Config;
        }

        var options = model.Options.Decisions
            ?? throw new CommandException(ExitCode.Config, $"{configuration.Path}: there is no section policyd {{ decisions {{ }} }}");
        await using var connections = model.ServerConnections;
        await using var store = model.Sql.DecisionStore(options.Db);
        var found = (await FindAsync(store, search, cancellationToken)).Select(HistoryRow.Read).Reverse().ToList();
        if (found.Count == 0)
        {
            var kept = options.What == KeptDecisions.All ? "" : $" (what = {options.What.ToString().ToLowerInvariant()})";
            await error.WriteLineAsync(LogText.OneLine($"{store.Description}: no such decision{kept}"));
            return NoneFound;
        }

        Write(found, isWhole: search.Id is not null, IsJson(result));
        return ExitCode.Ok;
    }

    private static async Task<IReadOnlyList<DecisionRow>> FindAsync(SqlDecisionStore store, DecisionSearch search, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        try
        {
            return await store.FindAsync(search, patience.Token);
        }
        catch (NewerSchemaException newer)
        {
            throw new CommandException(ExitCode.Config, newer.Message);
        }
        catch (DbException away)
        {
            throw new CommandException(ExitCode.Unavailable, away.Message);
        }
    }

    private void Write(List<TraceReport> found, bool isWhole, bool isJson)
    {
        var view = new DecisionView(Output, "yyyy-MM-dd HH:mm:ss.fff");
        foreach (var report in found)
        {
            if (isJson)
            {
                Output.WriteLine(JsonSerializer.Serialize(report, TraceReports.Default.TraceReport));
            }
            else if (isWhole)
            {
                view.WriteWhole(report);
            }
            else
            {
                view.WriteLine(report with { Plugins = null });
            }
        }
    }

    private DecisionSearch SearchOf(ParseResult result)
    {
        var limit = result.GetValue(_limit);
        return new DecisionSearch
        {
            Id = result.GetValue(_id) is { } id ? NameOf(id) : null,
            Since = result.GetValue(_since) is { } since ? DateTimeOffset.UtcNow - DurationOf(since) : null,
            User = result.GetValue(_user),
            Clients = result.GetValue(_client) is { } client ? NetworkOf(client) : null,
            Sender = result.GetValue(_sender) is { } sender ? (sender == "<>" ? "" : sender) : null,
            Recipient = result.GetValue(_recipient),
            QueueId = result.GetValue(_queueId),
            Rule = result.GetValue(_rule),
            Action = result.GetValue(_action),
            Limit = limit > 0 ? limit : throw Wrong(_limit, "must be at least 1"),
        };
    }

    private string NameOf(string id) => DecisionId.Read(id)
        ?? throw Wrong(_id, $"\"{id}\" is no decision's name, which has {DecisionId.Length} letters and digits");

    private (string First, string Last) NetworkOf(string client) => AddressBlock.TryParse(client, out var block)
        ? DecisionKey.RangeOf(block.Address, block.Prefix)
        : throw Wrong(_client, $"\"{client}\" is neither an address nor a network such as 192.0.2.0/24");

    private TimeSpan DurationOf(string since) =>
        DurationText.TryParse(since, out var duration, out var wrong) && duration > TimeSpan.Zero
            && duration < DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch
            ? duration
            : throw Wrong(_since, wrong ?? $"\"{since}\" is no time before now, such as 30m, 2h or 7d");

    private static CommandException Wrong(Option option, string message) => new(ExitCode.Usage, $"{option.Name}: {message}");
}
