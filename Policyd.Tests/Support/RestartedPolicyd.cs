namespace Policyd.Tests.Support;

/// <summary>The real executable, which a test kills and starts again on the same configuration and port.</summary>
internal sealed class RestartedPolicyd : IAsyncDisposable
{
    private readonly string _configuration;
    private readonly int _port;
    private readonly string[] _arguments;

    private RestartedPolicyd(string configuration, int port, string[] arguments, ProcessUnderTest process) =>
        (_configuration, _port, _arguments, Process) = (configuration, port, arguments, process);

    /// <summary>The one that runs now.</summary>
    public ProcessUnderTest Process { get; private set; }

    public static async Task<RestartedPolicyd> Serve(string configuration, int port, params string[] arguments) =>
        new(configuration, port, arguments, await PolicydProcess.Serve(configuration, port, arguments));

    /// <summary>
    /// SIGKILL, and a new start; between them <paramref name="whileItIsAway"/>, which begins as soon as the signal is sent.
    /// </summary>
    public async Task KillAndServe(Func<Task>? whileItIsAway = null)
    {
        Process.Kill();
        await Task.WhenAll(whileItIsAway?.Invoke() ?? Task.CompletedTask, Process.Exits());
        await Process.DisposeAsync();
        Process = await PolicydProcess.Serve(_configuration, _port, _arguments);
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
