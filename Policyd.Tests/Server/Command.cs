// Runs a verb of the built executable to its end, as an operator would, with stdin, stdout, stderr and exit code apart.

using System.Diagnostics;
using Policyd.Tests.Support;

namespace Policyd.Tests.Server;

internal sealed record CommandResult(int ExitCode, string Output, string Error);

internal static class Command
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(3);

    public static async Task<CommandResult> RunAsync(string input, params string[] arguments)
    {
        TestKinds.MayStart(PolicydProcess.Executable);
        var start = new ProcessStartInfo(PolicydProcess.Executable, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("policyd did not start");
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await FeedAsync(process, input);
            await process.WaitForExitAsync(limit.Token);
            return new CommandResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"policyd {string.Join(' ', arguments)} did not end within {s_limit.TotalSeconds} s");
        }
    }

    private static async Task FeedAsync(Process process, string input)
    {
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading its input, as it should when its arguments are wrong; the exit code tells.
        }
    }
}
