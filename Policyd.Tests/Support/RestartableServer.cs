namespace Policyd.Tests.Support;

/// <summary>A real server's process on a port of its own, which a test can kill and start again.</summary>
internal sealed class RestartableServer(string name) : IAsyncDisposable
{
    private ProcessUnderTest? _process;

    public int Port { get; } = FreePort.Next();

    public async Task Start(string program, IEnumerable<string> arguments)
    {
        _process = ProcessUnderTest.Start(program, arguments);
        await _process.Listens(name, Port);
    }

    public async Task Kill()
    {
        _process!.Kill();
        await _process.Exits();
        await _process.DisposeAsync();
        _process = null;
    }

    /// <summary>It runs no more, and keeps its connections: the worst way to be away.</summary>
    public Task Freeze() => SignalAsync("-STOP");

    public Task Thaw() => SignalAsync("-CONT");

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }

    private async Task SignalAsync(string signal)
    {
        var (code, output) = await ProcessUnderTest.Run(
            "/bin/kill", signal, _process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.True(code == 0, output);
    }
}
