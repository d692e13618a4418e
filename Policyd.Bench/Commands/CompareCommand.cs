using System.CommandLine;
using System.Net;
using Policyd.Bench.Compare;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Commands;

/// <summary>`compare`: starts one or several builds of policyd and the echo, and measures them in turn.</summary>
internal static class CompareCommand
{
    private static readonly Option<string[]> Policyd = ServerOptions.Policyd();

    private static readonly Option<string[]> Config = ServerOptions.Config("that of --chain");

    private static readonly Option<ChainKind> Chain = new("--chain")
    {
        Description = "What a server without a --config runs: plain, or counting, which is two Quotas and an Accounting of client_address "
            + "and sasl_username. The stages newkeys, keys, owners and cluster are for a chain that counts.",
        CustomParser = EnumArgument.Parse<ChainKind>,
        DefaultValueFactory = _ => ChainKind.Plain,
    };

    private static readonly Option<EndPoint?> Endpoint = new("--endpoint")
    {
        Description = "Where the server of a --config without {port} listens.",
        CustomParser = EndpointArgument.Parse,
    };

    private static readonly Option<string?> Against = new("--against")
    {
        Description = "The command of another server to measure, which must not leave the foreground; needs --against-endpoint.",
    };

    private static readonly Option<EndPoint?> AgainstEndpoint = new("--against-endpoint")
    {
        Description = "Where that server listens.",
        CustomParser = EndpointArgument.Parse,
    };

    private static readonly Option<string> Label = new("--label")
    {
        Description = "Heads the table of the result.",
        DefaultValueFactory = _ => "median (least–most)",
    };

    private static readonly Option<FileInfo?> Json = ServerOptions.Json();

    public static Command Create()
    {
        var arguments = new CompareArguments();
        var command = new Command(
            "compare",
            "Start policyd and the echo, measure them in turn, and print the figures and their ratios. "
            + "Exit code 1 when there were errors, never for the speed.")
        {
            Policyd, Config, Chain, Endpoint, Against, AgainstEndpoint, Label, Json,
        };
        arguments.AddTo(command);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(Against) is null) != (result.GetResult(AgainstEndpoint) is null))
            {
                result.AddError($"{Against.Name} and {AgainstEndpoint.Name} need each other.");
            }
        });
        command.SetAction(
            (result, cancellation) => BenchCommand.GuardAsync(result, () => RunAsync(result, arguments.Read(result), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CompareOptions options, CancellationToken cancellation)
    {
        var console = result.InvocationConfiguration;
        var list = new ServerList(
            [.. result.GetValue(Policyd)!.Select(NamedValue.Parse)],
            [.. result.GetValue(Config)!.Select(NamedValue.Parse)],
            result.GetValue(Endpoint),
            result.GetValue(Against),
            result.GetValue(AgainstEndpoint))
        {
            Usual = Chains.Text(result.GetValue(Chain)),
        };
        IReadOnlyList<ContenderStart> servers;
        try
        {
            servers = list.Resolve(AppContext.BaseDirectory);
        }
        catch (FormatException reason)
        {
            await console.Error.WriteLineAsync(reason.Message).ConfigureAwait(false);
            return 1;
        }

        using var folder = new WorkFolder();
        var comparison = await Comparison.RunAsync(servers, options, folder.Path, console.Error.WriteLine, cancellation)
            .ConfigureAwait(false);
        await ShowAsync(result.GetRequiredValue(Label), comparison, console.Output).ConfigureAwait(false);
        if (result.GetValue(Json) is { } file)
        {
            await File.WriteAllTextAsync(file.FullName, ComparisonJson.Show(result.GetRequiredValue(Label), comparison), cancellation)
                .ConfigureAwait(false);
        }

        return comparison.Problems.Count == 0 ? 0 : 1;
    }

    private static async Task ShowAsync(string label, ComparisonResult comparison, TextWriter output)
    {
        await output.WriteLineAsync(FigureTable.Show(label, comparison)).ConfigureAwait(false);
        foreach (var (server, windows, steady) in comparison.Warmups)
        {
            await output.WriteLineAsync($"{server}: {(steady ? "steady" : "not steady")} after {windows} windows of warm-up")
                .ConfigureAwait(false);
        }

        foreach (var (server, sums) in comparison.Sums)
        {
            await output.WriteLineAsync($"{server}: {sums}").ConfigureAwait(false);
        }

        foreach (var (name, value) in comparison.Environment)
        {
            await output.WriteLineAsync($"environment: {name}={value}").ConfigureAwait(false);
        }

        foreach (var problem in comparison.Problems)
        {
            await output.WriteLineAsync($"problem: {problem}").ConfigureAwait(false);
        }
    }
}
