// Runs the built executable as an operator would: a process with arguments, stdin, stdout, stderr and an exit code.

using System.Diagnostics;

namespace Policyd.Tests.Server;

internal sealed record PolicydResult(int ExitCode, string Output, string Error);

internal static class PolicydProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Starts policyd; the caller ends and disposes it.</summary>
    public static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "policyd.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start");
    }

    /// <summary>Runs policyd to its end.</summary>
    public static async Task<PolicydResult> RunAsync(string input, params string[] arguments)
    {
        using var process = Start(arguments);
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            try
            {
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended without reading its input, as it should when its arguments are wrong; the exit code tells.
            }

            await process.WaitForExitAsync(limit.Token);
            return new PolicydResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"policyd {string.Join(' ', arguments)} did not end within {Limit.TotalSeconds} s");
        }
    }
}
