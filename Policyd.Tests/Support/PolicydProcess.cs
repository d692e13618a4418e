namespace Policyd.Tests.Support;

/// <summary>The real executable, as it was built beside the tests.</summary>
internal static class PolicydProcess
{
    public static string Executable => Path.Combine(AppContext.BaseDirectory, "policyd");

    /// <summary>Starts the server on a configuration and waits until the port takes connections.</summary>
    public static async Task<ProcessUnderTest> Serve(string configuration, int port, params string[] arguments)
    {
        var process = ProcessUnderTest.Start(Executable, ["serve", "-c", configuration, .. arguments]);
        await Eventually.Holds(
            $"policyd to listen on {port}",
            () => FreePort.Answers(port) || (process.HasExited ? throw new InvalidOperationException(string.Join('\n', process.Lines)) : false));
        return process;
    }
}
