namespace Policyd.Tests.Support;

/// <summary>A real memcached on a port of its own, empty at each start. Can be killed and started again.</summary>
internal sealed class MemcachedServer : IAsyncDisposable
{
    private readonly RestartableServer _server = new("memcached");

    public int Port => _server.Port;

    public static async Task<MemcachedServer> StartNew()
    {
        var server = new MemcachedServer();
        await server.Start();
        return server;
    }

    public Task Start() => _server.Start(Needs.Program("memcached"), ["-u", "nobody", "-l", "127.0.0.1", "-p", $"{Port}", "-m", "64"]);

    public Task Kill() => _server.Kill();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
