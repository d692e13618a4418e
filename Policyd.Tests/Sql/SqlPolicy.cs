using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>The real server with one SQL connection and one chain, and a client that keeps its connection.</summary>
internal sealed class SqlPolicy : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private PolicyClient? _client;
    private int _mails;

    private SqlPolicy(int port) => Port = port;

    public int Port { get; }

    public ProcessUnderTest Server { get; private set; } = null!;

    public static async Task<SqlPolicy> ServeAsync(string connection, string plugins)
    {
        var policy = new SqlPolicy(FreePort.Next());
        var configuration = policy._folder.Write("policyd.hocon", Configuration(policy.Port, connection, plugins));
        policy.Server = await PolicydProcess.Serve(configuration, policy.Port);
        return policy;
    }

    public static string Configuration(int port, string connection, string plugins) => $$"""
        policyd {
          listen = ["127.0.0.1:{{port}}"]
          admin { listen = off }
          connections { db { module = Sql, {{connection}} } }
          virtual_hosts = [ { name = t, port = {{port}}, plugins = [
            {{plugins}}
            { name = ok, module = Action, action = dunno }
          ] } ]
        }
        """;

    /// <summary>Asks for a new mail; what is answered, or <c>closed</c>.</summary>
    public async Task<string> AskAsync(params (string Name, string Value)[] attributes)
    {
        var request = PolicyRequestBuilder.AccessPolicy()
            .Add("protocol_state", "RCPT")
            .Add("instance", $"m.{Interlocked.Increment(ref _mails)}");
        foreach (var (name, value) in attributes)
        {
            request.Add(name, value);
        }

        try
        {
            _client ??= await ConnectAsync();
            return await _client.AskAsync(request.ToBytes(), TestContext.Current.CancellationToken);
        }
        catch (PolicyClientException)
        {
            await CloseAsync();
            TestContext.Current.TestOutputHelper?.WriteLine($"closed; the server printed:\n{string.Join('\n', Server.Lines.TakeLast(10))}");
            return "closed";
        }
    }

    public async Task<PolicyClient> ConnectAsync() =>
        await PolicyClient.ConnectAsync(
            PolicyEndpoint.TryParse($"127.0.0.1:{Port}", out var endpoint, out _) ? endpoint : throw new InvalidOperationException(),
            TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
    }

    private async Task CloseAsync()
    {
        if (_client is { } client)
        {
            _client = null;
            await client.DisposeAsync();
        }
    }
}
