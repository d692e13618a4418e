using System.CommandLine;
using System.Net.Sockets;

namespace Policyd.Bench.Commands;

/// <summary>The command line: one verb for each thing that is measured.</summary>
public static class BenchCommand
{
    private const int Failed = 1;

    public static RootCommand Create() => new(
        "Measures policyd: load, ceiling, comparison, behind Postfix, idle connections, micro-benchmarks.")
    {
        LoadCommand.Create(),
        EchoCommand.Create(),
        CompareCommand.Create(),
        PostfixCommand.Create(),
        IdleCommand.Create(),
        MicroCommand.Create(),
    };

    /// <summary>Turns what the operator can mend, a server that is not there or a port in use, into one line and exit code 1.</summary>
    internal static async Task<int> GuardAsync(ParseResult result, Func<Task<int>> action)
    {
        try
        {
            return await action().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await result.InvocationConfiguration.Error.WriteLineAsync("Cancelled.").ConfigureAwait(false);
            return Failed;
        }
        catch (Exception reason) when (reason is SocketException or InvalidOperationException or PlatformNotSupportedException
            or IOException or TimeoutException)
        {
            await result.InvocationConfiguration.Error.WriteLineAsync(reason.Message).ConfigureAwait(false);
            return Failed;
        }
    }
}
