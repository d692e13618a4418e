using System.CommandLine;
using System.Net;
using Policyd.Bench.Echo;

namespace Policyd.Bench.Commands;

/// <summary>`echo`: the ceiling as a process of its own.</summary>
internal static class EchoCommand
{
    /// <summary>What the line begins with that tells where the echo listens.</summary>
    public const string Listening = "listening on ";

    public static Command Create()
    {
        var listen = new Option<EndPoint>("--listen")
        {
            Description = "HOST:PORT or unix:/path; port 0 lets the system choose.",
            CustomParser = EndpointArgument.Parse,
            DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 12399),
        };
        var command = new Command(
            "echo", "A bare .NET socket server that answers action=dunno and reads nothing: the ceiling of a server in .NET.") { listen };
        command.SetAction((result, cancellation) => BenchCommand.GuardAsync(result, async () =>
        {
            using var server = new EchoServer(result.GetRequiredValue(listen));
            await result.InvocationConfiguration.Output.WriteLineAsync(Listening + EndpointArgument.Text(server.Endpoint))
                .ConfigureAwait(false);
            await result.InvocationConfiguration.Output.FlushAsync(cancellation).ConfigureAwait(false);
            await server.RunAsync(cancellation).ConfigureAwait(false);
            return 0;
        }));
        return command;
    }
}
