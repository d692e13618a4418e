// policyd trace: what the running server decides, live.

using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Server.Admin;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

namespace Policyd.Server.Commands;

internal sealed class TraceVerb(TextWriter output) : AdminVerb(output, AdminVerb.LineByLine)
{
    private readonly Option<string?> _user = new("--user")
    {
        Description = "Only mails of this user (sasl_username).",
        HelpName = "USER",
    };

    private readonly Option<string?> _client = new("--client")
    {
        Description = "Only mails of clients in this network, such as 192.0.2.0/24, or of this address.",
        HelpName = "NET",
    };

    private readonly Option<string?> _rule = new("--rule")
    {
        Description = "Only what this plugin decides, or, when it is observed, would answer.",
        HelpName = "PLUGIN",
    };

    private readonly Option<string?> _action = new("--action")
    {
        Description = "Only actions of this kind: the first word; reject has 5NN too, defer 4NN and defer_if_…; none: no answer.",
        HelpName = "KIND",
    };

    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Show what each plugin does, as explain." };

    public Command Build()
    {
        var verb = Verb(
            "trace",
            "Follow the decisions of the running server until interrupted. A reader that is too slow loses some, and is told how many.",
            "  policyd trace --action reject\n  policyd trace --client 192.0.2.0/24 -v\n  policyd trace --json | jq -c .rule",
            _user,
            _client,
            _rule,
            _action,
            _verbose);
        verb.SetAction(RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var configuration = LoadedConfiguration.Read(ConfigOf(result));
        var arguments = new JsonObject { ["verbose"] = result.GetValue(_verbose) };
        foreach (var (name, option) in new[] { ("user", _user), ("client", _client), ("rule", _rule), ("action", _action) })
        {
            if (result.GetValue(option) is { } value)
            {
                arguments[name] = value;
            }
        }

        var isJson = IsJson(result);
        using var interrupted = new Interruption(cancellationToken);
        try
        {
            await new AdminClient(configuration.EarlyOptions().Admin, configuration.Path).FollowAsync(
                "trace", arguments, line => Write(line, isJson), interrupted.Token);
        }
        catch (OperationCanceledException) when (interrupted.Token.IsCancellationRequested)
        {
            // As its reader wants it.
        }

        return ExitCode.Ok;
    }

    // Each at once: what follows may come much later, and the reader may be another program.
    private void Write(JsonElement line, bool isJson)
    {
        if (isJson)
        {
            Output.WriteLine(line.GetRawText());
        }
        else
        {
            Write(line.Deserialize(TraceReports.Default.TraceReport) ?? throw new JsonException());
        }

        Output.Flush();
    }

    private void Write(TraceReport report)
    {
        if (report.Lost is { } lost)
        {
            Output.WriteLine($"{Shown.Number(lost)} lost: this reader was too slow");
            return;
        }

        new DecisionView(Output).WriteLine(report);
    }
}
