namespace Policyd.Tests.Support;

/// <summary>A real Redis on a port and a UNIX socket of its own, empty at each start; with a password where one is given. Can be killed and started again.</summary>
internal sealed class RedisServer(string? password = null) : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private ProcessUnderTest? _process;

    public int Port { get; } = FreePort.Next();

    public string Sock => _folder["redis.sock"];

    public static async Task<RedisServer> StartNew(string? password = null)
    {
        var server = new RedisServer(password);
        await server.Start();
        return server;
    }

    public async Task Start()
    {
        string[] secret = password is null ? [] : ["--requirepass", password];
        _process = ProcessUnderTest.Start(
            Needs.Program("redis-server"),
            ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--dir", _folder.Path, "--unixsocket", Sock, .. secret]);
        await Eventually.Holds($"Redis on port {Port}", () => FreePort.Answers(Port) || _process.HasExited);
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

        _folder.Dispose();
    }
}
