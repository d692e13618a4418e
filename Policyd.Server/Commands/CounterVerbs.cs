// policyd counter get|list|set|reset: the grammar, and one question to the running server each. What a table or a window means is decided
// by the server, which knows its plugins; the configuration here only tells where the server is.

using System.CommandLine;
using System.Text.Json.Nodes;
using Policyd.Configuration.Options;
using Policyd.Server.Admin.Counters;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Commands;

internal sealed class CounterVerbs(TextWriter output) : AdminVerb(output)
{
    private readonly CounterArguments _counter = new();

    private readonly Option<string?> _window = new("--window", "-w")
    {
        Description =
            "The window: its text in the table (2026-10), or a configured kind (%Y-%m, 1h) for its current "
                + "window. Default: the current window.",
        HelpName = "WINDOW",
    };

    public Command Build()
    {
        var counter = new Command("counter", "Show and change the counters of the running server.");
        PolicydCommandLine.AddHelp(
            counter,
            "  policyd counter list client_address\n  policyd counter get client_address 192.0.2.7\n  policyd counter "
                + "reset client_address 192.0.2.7",
            "--help",
            "-h",
            "-?");
        counter.Subcommands.Add(Get());
        counter.Subcommands.Add(List());
        counter.Subcommands.Add(Set());
        counter.Subcommands.Add(Reset());
        return counter;
    }

    private Command Get()
    {
        var verb = Verb(
            "get",
            "Show the counts of a key, its reservations and its quotas.",
            "  policyd counter get client_address 192.0.2.7\n  policyd counter get acct_sasl_username anna --window 2026-10 --json",
            _counter.Table,
            _counter.Key);
        verb.SetAction((result, cancellation) =>
            AskAsync(
                "counter.get",
                Arguments(result, _counter.Key),
                result,
                CounterReports.Default.GetReport,
                report => new CounterView(Output).Write(report),
                cancellation));
        return verb;
    }

    private Command List()
    {
        var by = new Option<string?>("--by")
        {
            Description = "The value to sort by: count (default), count_rcpt, size, size_rcpt.",
            HelpName = "METRIC",
        };
        var limit = new Option<long?>("--limit", "-n")
        {
            Description = "The number of counters to show (default 20, at most 10000).",
            HelpName = "N",
        };
        var verb = Verb(
            "list",
            "Show the largest counters of a window and their quotas.",
            "  policyd counter list client_address\n  policyd counter list acct_sasl_username --by size --limit 100",
            _counter.Table);
        PolicydCommandLine.AddAll(verb, by, limit);
        verb.SetAction((result, cancellation) =>
        {
            var arguments = Arguments(result);
            Add(arguments, "by", result.GetValue(by));
            if (result.GetValue(limit) is { } number)
            {
                arguments["limit"] = number;
            }

            return AskAsync(
                "counter.list",
                arguments,
                result,
                CounterReports.Default.ListReport,
                report => new CounterView(Output).Write(report),
                cancellation);
        });
        return verb;
    }

    private Command Set()
    {
        var sums = new Argument<string[]>("METRIC=VALUE")
        {
            Description = "count=5, count_rcpt=…, size=…, size_rcpt=…; values that are not named stay unchanged.",
            Arity = ArgumentArity.OneOrMore
        };
        var verb = Verb(
            "set",
            "Set values of a counter in the running server.",
            "  policyd counter set client_address 192.0.2.7 count=900\n  policyd counter set client_address 192.0.2.7 size=0 size_rcpt=0",
            _counter.Table,
            _counter.Key);
        verb.Arguments.Add(sums);
        verb.SetAction((result, cancellation) =>
            SetAsync(result, Parse(result.GetRequiredValue(sums)), cancellation));
        return verb;
    }

    private Command Reset()
    {
        var verb = Verb(
            "reset",
            "Set all values of a counter in the running server to zero.",
            "  policyd counter reset client_address 192.0.2.7",
            _counter.Table,
            _counter.Key);
        verb.SetAction((result, cancellation) =>
            SetAsync(result, MetricNames.All.Select(metric => KeyValuePair.Create(metric, 0L)), cancellation));
        return verb;
    }

    private Task<int> SetAsync(ParseResult result, IEnumerable<KeyValuePair<string, long>> sums, CancellationToken cancellationToken)
    {
        var arguments = Arguments(result, _counter.Key);
        foreach (var (metric, value) in sums)
        {
            arguments[metric] = value;
        }

        return AskAsync(
            "counter.set",
            arguments,
            result,
            CounterReports.Default.SetReport,
            report => new CounterView(Output).Write(report),
            cancellationToken);
    }

    private static Dictionary<string, long> Parse(string[] pairs)
    {
        var sums = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var metric = equals < 0 ? pair : pair[..equals];
            if (MetricNames.Parse(metric) is null)
            {
                var hint = OptionNames.DidYouMean(metric, MetricNames.All);
                throw new CommandException(
                    ExitCode.Usage,
                    $"there is no metric \"{metric}\"{(hint.Length > 0 ? hint : $"; available: {string.Join(", ", MetricNames.All)}")}");
            }

            if (equals < 0 || !long.TryParse(
                pair[(equals + 1)..],
                System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture,
                out var value))
            {
                throw new CommandException(ExitCode.Usage, $"expected {metric}=VALUE with a whole number of at least 0, found \"{pair}\"");
            }

            if (!sums.TryAdd(metric, value))
            {
                throw new CommandException(ExitCode.Usage, $"{metric} is given twice");
            }
        }

        return sums;
    }

    private Command Verb(string name, string description, string examples, params ReadOnlySpan<Argument> arguments)
    {
        var verb = Verb(name, description, examples, _window, _counter.Db);
        foreach (var argument in arguments)
        {
            verb.Arguments.Add(argument);
        }

        return verb;
    }

    private JsonObject Arguments(ParseResult result, params ReadOnlySpan<Argument<string>> others)
    {
        var arguments = new JsonObject { ["table"] = result.GetRequiredValue(_counter.Table) };
        foreach (var argument in others)
        {
            arguments[argument.Name.ToLowerInvariant()] = result.GetRequiredValue(argument);
        }

        Add(arguments, "window", result.GetValue(_window));
        Add(arguments, "db", result.GetValue(_counter.Db));
        return arguments;
    }

    private static void Add(JsonObject arguments, string name, string? value)
    {
        if (value is not null)
        {
            arguments[name] = value;
        }
    }
}
