using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Policyd.Bench.Compare;
using Policyd.Bench.Load;

namespace Policyd.Bench.Commands;

/// <summary>`compare`: starts policyd and the echo and measures them in turn.</summary>
internal static class CompareCommand
{
    private static readonly Option<string?> Policyd = new("--policyd")
    {
        Description = "The executable, or a command; {config} stands for the configuration file. Default: the one built with this program.",
    };

    private static readonly Option<FileInfo?> Config = new("--config")
    {
        Description = "A configuration instead of the plain AddScoreHeader chain; needs --endpoint.",
    };

    private static readonly Option<EndPoint?> Endpoint = new("--endpoint")
    {
        Description = "Where the server of --config listens.",
        CustomParser = EndpointArgument.Parse,
    };

    private static readonly Option<string?> Against = new("--against")
    {
        Description = "The command of a third server to measure, which must not leave the foreground; needs --against-endpoint.",
    };

    private static readonly Option<EndPoint?> AgainstEndpoint = new("--against-endpoint")
    {
        Description = "Where the third server listens.",
        CustomParser = EndpointArgument.Parse,
    };

    private static readonly Option<string> Label = new("--label")
    {
        Description = "Heads the table of the result.",
        DefaultValueFactory = _ => "server",
    };

    public static Command Create()
    {
        var load = new LoadArguments(seconds: 5, warmup: 1);
        var rounds = LoadArguments.Number("--rounds", "Measurements of each server.", 5, 1, 1000);
        var command = new Command("compare", "Start policyd and the echo, load them in turn, and print the ratio. Exit code 1 when there were errors, never for the speed.")
        {
            Policyd, Config, Endpoint, Against, AgainstEndpoint, Label, rounds,
        };
        load.AddTo(command);
        command.Validators.Add(result =>
        {
            RequireBoth(result, Config, Endpoint);
            RequireBoth(result, Against, AgainstEndpoint);
        });
        command.SetAction((result, cancellation) => BenchCommand.GuardAsync(result, () =>
            RunAsync(result, load.Read(result, new IPEndPoint(IPAddress.Loopback, 0)), result.GetValue(rounds), cancellation)));
        return command;
    }

    private static void RequireBoth(System.CommandLine.Parsing.CommandResult result, Option one, Option other)
    {
        if ((result.GetResult(one) is null) != (result.GetResult(other) is null))
        {
            result.AddError($"{one.Name} and {other.Name} need each other.");
        }
    }

    private static async Task<int> RunAsync(ParseResult result, LoadOptions load, int rounds, CancellationToken cancellation)
    {
        var output = result.InvocationConfiguration.Output;
        var directory = Directory.CreateTempSubdirectory("policyd-bench-");
        try
        {
            var servers = await ServersAsync(result, directory.FullName, cancellation).ConfigureAwait(false);
            var results = await Comparison.RunAsync(servers, load, rounds, directory.FullName, output.WriteLine, cancellation).ConfigureAwait(false);
            await output.WriteLineAsync().ConfigureAwait(false);
            await output.WriteAsync(ComparisonReport.Table(result.GetRequiredValue(Label), results)).ConfigureAwait(false);
            return results.All(server => server.Rounds.All(round => round.Load.Errors.Total == 0)) ? 0 : 1;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task<IReadOnlyList<ContenderStart>> ServersAsync(ParseResult result, string directory, CancellationToken cancellation)
    {
        var endpoint = result.GetValue(Endpoint) ?? FreeEndpoint();
        var config = result.GetValue(Config)?.FullName ?? await PlainChainAsync(directory, (IPEndPoint)endpoint, cancellation).ConfigureAwait(false);
        var echo = FreeEndpoint();
        var servers = new List<ContenderStart>
        {
            new("policyd", PolicydCommand(result.GetValue(Policyd), config), endpoint),
            new("echo", [Path.Combine(AppContext.BaseDirectory, "Policyd.Bench"), "echo", "--listen", echo.ToString()], echo),
        };
        if (result.GetValue(Against) is { } against)
        {
            servers.Add(new ContenderStart("against", Words(against), result.GetValue(AgainstEndpoint)!));
        }

        return servers;
    }

    private static string[] PolicydCommand(string? given, string config)
    {
        var words = Words(given ?? Path.Combine(AppContext.BaseDirectory, "policyd"));
        return words.Contains("{config}") ? [.. words.Select(word => word == "{config}" ? config : word)] : [.. words, "serve", "-c", config];
    }

    private static string[] Words(string command) => command.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static async Task<string> PlainChainAsync(string directory, IPEndPoint endpoint, CancellationToken cancellation)
    {
        var path = Path.Combine(directory, "policyd.hocon");
        await File.WriteAllTextAsync(
            path,
            $$"""
            policyd {
              listen = ["{{endpoint}}"]
              log_level = 1   # without the line of each request, whose cost --config measures
              virtual_hosts = [
                { name = bench, port = {{endpoint.Port}}, plugins = [ { name = score, module = AddScoreHeader } ] }
              ]
            }

            """,
            cancellation).ConfigureAwait(false);
        return path;
    }

    // Bound and let go: the system does not hand the port to another process soon after.
    private static IPEndPoint FreeEndpoint()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)socket.LocalEndPoint!;
    }
}
