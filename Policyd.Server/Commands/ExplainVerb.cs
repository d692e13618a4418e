// policyd explain: what would become of a request, and why. Without --live it needs no server: the configuration is read and its chain is
// run here, by the counters that the databases have.

using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Policyd.Counting.Memory;
using Policyd.Engine.Explaining;
using Policyd.Engine.Model;
using Policyd.Server.Admin.Decisions;
using Policyd.Server.ExitCodes;
using Policyd.Server.Loading;

namespace Policyd.Server.Commands;

internal sealed class ExplainVerb(TextReader input, TextWriter output, TextWriter error) : AdminVerb(output)
{
    private readonly Argument<string[]> _attributes = new("NAME=VALUE")
    {
        Description = "The request's attributes, such as client_address=192.0.2.7; without any, a request is read from stdin.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _host = new("--virtual-host")
    {
        Description = "The virtual host that answers; needed when there are several.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _live = new("--live")
    {
        Description = "Ask the running server, by its counters, sessions and caches.",
    };

    public Command Build()
    {
        var verb = Verb(
            "explain",
            "Show what would become of a request: what each plugin reads, compares and answers. Nothing is counted, banned or stored.",
            "  policyd explain -c policyd.hocon client_address=192.0.2.7 sender=a@example.net recipient=b@example.org\n"
                + "  policyd explain --live --json < request.txt",
            _host,
            _live);
        verb.Arguments.Add(_attributes);
        verb.SetAction(RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var attributes = result.GetValue(_attributes) is { Length: > 0 } words
            ? RequestInput.Of(words)
            : await RequestInput.ReadAsync(input, cancellationToken)
                ?? throw new CommandException(ExitCode.Usage, "there is no request: give attributes as NAME=VALUE, or a request on stdin");
        if (result.GetValue(_live))
        {
            var arguments = new JsonObject { ["request"] = Encoding.UTF8.GetString(RequestInput.Builder(attributes).ToBytes()) };
            if (result.GetValue(_host) is { } name)
            {
                arguments["virtual_host"] = name;
            }

            return await AskAsync("explain", arguments, result, DecisionReports.Default.ExplainReport, Write, cancellationToken);
        }

        var configuration = LoadedConfiguration.Read(ConfigOf(result));
        if (configuration.Build(error, new ModelEnvironment { OnlyReads = true }) is not { } model)
        {
            return ExitCode.Config;
        }

        await using var connections = model.ServerConnections;
        model.CounterGateway?.Attach(new MemoryCounters(model.Chains.Clock, new StoredRows(model.CounterStores).ReadAsync));
        var request = RequestInput.Builder(attributes).ToRequest();
        var named = result.GetValue(_host);
        var host = Explanation.HostOf(model, request, named)
            ?? throw new CommandException(ExitCode.Usage, ExplainRequest.WhichHost(model, named));
        var report = ExplainReport.Of(await Explanation.OfAsync(model, host, request, cancellationToken));
        if (IsJson(result))
        {
            await WriteJsonAsync(JsonSerializer.SerializeToElement(report, DecisionReports.Default.ExplainReport));
        }
        else
        {
            Write(report);
        }

        return ExitCode.Ok;
    }

    private void Write(ExplainReport report) => new DecisionView(Output).WriteWhole(report);
}
