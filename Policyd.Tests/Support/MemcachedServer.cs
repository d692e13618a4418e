namespace Policyd.Tests.Support;

/// <summary>A real memcached on a port of its own, empty at each start. Can be killed and started again.</summary>
internal sealed class MemcachedServer : IAsyncDisposable
{
    private ProcessUnderTest? _process;

    public int Port { get; } = FreePort.Next();

    public static async Task<MemcachedServer> StartNew()
    {
        var server = new MemcachedServer();
        await server.Start();
        return server;
    }

    public async Task Start()
    {
        _process = ProcessUnderTest.Start(Needs.Program("memcached"), ["-u", "nobody", "-l", "127.0.0.1", "-p", $"{Port}", "-m", "64"]);
        await Eventually.Holds($"memcached on port {Port}", () => FreePort.Answers(Port) || _process.HasExited);
        Assert.False(_process.HasExited, string.Join('\n', _process.Lines));
    }

    public async Task Kill()
    {
        _process!.Kill();
        await _process.Exits();
        await _process.DisposeAsync();
        _process = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }
}
