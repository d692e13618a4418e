namespace Policyd.Tests.Support;

/// <summary>
/// A real Redis on a port and a UNIX socket of its own, empty at each start; with a password where one is given, and as the replica of
/// another. Can be killed and started again.
/// </summary>
internal sealed class RedisServer(string? password = null, RedisServer? master = null) : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RestartableServer _server = new("Redis");

    public int Port => _server.Port;

    public string Sock => _folder["redis.sock"];

    public static async Task<RedisServer> StartNew(string? password = null, RedisServer? master = null)
    {
        var server = new RedisServer(password, master);
        await server.Start();
        return server;
    }

    public Task Start()
    {
        string[] secret = password is null ? [] : ["--requirepass", password, "--masterauth", password];
        string[] follows = master is null ? [] : ["--replicaof", "127.0.0.1", $"{master.Port}"];
        return _server.Start(
            Needs.Program("redis-server"),
            ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--dir", _folder.Path, "--unixsocket", Sock, .. secret, .. follows]);
    }

    public Task Kill() => _server.Kill();

    public Task Freeze() => _server.Freeze();

    public Task Thaw() => _server.Thaw();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }
}
