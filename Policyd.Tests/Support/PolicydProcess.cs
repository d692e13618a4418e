namespace Policyd.Tests.Support;

/// <summary>
/// The real executable: the one that the variable POLICYD_EXECUTABLE names, else the one that was built beside the tests. CI names the
/// published one, which operators run. It starts with half the processor time, for it is compiled ahead of time.
/// </summary>
internal static class PolicydProcess
{
    // What was built beside the tests is not compiled ahead of time, and the machine may be busy with other tests.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);

    public static string Executable { get; } =
        Environment.GetEnvironmentVariable("POLICYD_EXECUTABLE") ?? Path.Combine(AppContext.BaseDirectory, "policyd");

    /// <summary>Starts the server on a configuration and waits until the port takes connections.</summary>
    public static async Task<ProcessUnderTest> Serve(string configuration, int port, params string[] arguments)
    {
        // As systemd does: what the server keeps on disk is beside its configuration, and no other test's.
        var state = new Dictionary<string, string> { ["STATE_DIRECTORY"] = Path.GetDirectoryName(Path.GetFullPath(configuration))! };
        var process = ProcessUnderTest.Start(Executable, ["serve", "-c", configuration, .. arguments], state);
        await Listens(process, port);
        await IsItself(process, port);
        return process;
    }

    /// <summary>A server of another test that took the port first would answer as well, and otherwise than expected.</summary>
    private static Task IsItself(ProcessUnderTest process, int port) => Eventually.Settles(
        () => $"policyd itself to listen on {port}; it printed:\n{string.Join('\n', process.Lines)}",
        () => Task.FromResult(process.HasExited
            ? throw new InvalidOperationException($"policyd ended with {process.ExitCode}; it printed:\n{string.Join('\n', process.Lines)}")
            : !OperatingSystem.IsLinux()
                || ListeningSockets.Of(process.Id).Any(socket => socket.EndsWith($":{port}", StringComparison.Ordinal))),
        s_timeout);

    /// <inheritdoc cref="ProcessUnderTest.Listens"/>
    public static Task Listens(ProcessUnderTest process, int port) => process.Listens("policyd", port, s_timeout);
}
