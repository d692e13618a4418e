namespace Policyd.Tests.Support;

/// <summary>
/// A real sentinel that watches one master under the name <see cref="Service"/> and takes it for dead after half a second.
/// </summary>
internal sealed class RedisSentinel : IAsyncDisposable
{
    public const string Service = "mail";

    private readonly TemporaryFolder _folder = new();
    private readonly RestartableServer _server = new("the sentinel");

    public int Port => _server.Port;

    public static async Task<RedisSentinel> StartNew(RedisServer master, string password, int quorum)
    {
        var sentinel = new RedisSentinel();
        await File.WriteAllTextAsync(
            sentinel._folder["sentinel.conf"],
            $"""
            port {sentinel.Port}
            bind 127.0.0.1
            dir {sentinel._folder.Path}
            sentinel monitor {Service} 127.0.0.1 {master.Port} {quorum}
            sentinel auth-pass {Service} {password}
            sentinel down-after-milliseconds {Service} 500
            sentinel failover-timeout {Service} 5000

            """);
        await sentinel._server.Start(Needs.Program("redis-server"), [sentinel._folder["sentinel.conf"], "--sentinel"]);
        return sentinel;
    }

    public Task Kill() => _server.Kill();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }
}
