using System.Globalization;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>The original, with the memcached that its sessions live in. Both are ours for the test's time only.</summary>
internal sealed class MtpolicydProcess : IAsyncDisposable
{
    private readonly ProcessUnderTest _memcached;
    private readonly ProcessUnderTest _mtpolicyd;

    private MtpolicydProcess(ProcessUnderTest memcached, int memcachedPort, ProcessUnderTest mtpolicyd)
    {
        MemcachedPort = memcachedPort;
        _memcached = memcached;
        _mtpolicyd = mtpolicyd;
    }

    public int MemcachedPort { get; }

    /// <summary>What it has printed: a line for each failed request among others.</summary>
    public IReadOnlyList<string> Lines => _mtpolicyd.Lines;

    /// <summary>Starts both; <paramref name="configuration"/> makes the file's text from the policy port and the memcached port.</summary>
    public static async Task<MtpolicydProcess> Start(
        TemporaryFolder folder, int port, Func<int, int, string> configuration, IReadOnlyDictionary<string, string>? environment = null)
    {
        var mtpolicyd = Needs.Program("mtpolicyd");
        var memcachedPort = FreePort.Next();
        var memcached = ProcessUnderTest.Start(
            Needs.Program("memcached"), ["-u", "nobody", "-l", "127.0.0.1", "-p", $"{memcachedPort}", "-m", "64"]);
        var file = folder.Write("mtpolicyd.conf", configuration(port, memcachedPort));
        await memcached.Listens("memcached", memcachedPort);
        var original = ProcessUnderTest.Start(mtpolicyd, ["-f", "-l", "1", "-c", file], environment);
        var started = new MtpolicydProcess(memcached, memcachedPort, original);
        try
        {
            await original.Listens("mtpolicyd", port, TimeSpan.FromMinutes(3));
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }

        return started;
    }

    /// <summary>A configuration of one virtual host, with sessions in memcached unless another cache is given.</summary>
    public static string Configuration(
        int port, int memcachedPort, string name, string plugins, string connections = "", string sessionCache = "Memcached") => $"""
        user = nobody
        group = nogroup
        log_level = 1
        host = 127.0.0.1
        port = "127.0.0.1:{port}"
        min_servers = 2
        min_spare_servers = 1
        max_spare_servers = 2
        max_servers = 4
        max_requests = 100000
        keepalive_timeout = 0
        <Connection memcached>
          module = "Memcached"
          servers = "127.0.0.1:{memcachedPort}"
        </Connection>
        {connections}
        <SessionCache>
          module = "{sessionCache}"
        </SessionCache>
        <VirtualHost {port}>
        name = "{name}"
        {plugins}
        </VirtualHost>
        """;

    /// <summary>The environment in which Net::DNS asks this server and no other.</summary>
    public static Dictionary<string, string> AskingOnly(ScriptedDnsServer dns) =>
        new() { ["RES_NAMESERVERS"] = "127.0.0.1", ["RES_OPTIONS"] = string.Create(CultureInfo.InvariantCulture, $"port:{dns.Port}") };

    public async ValueTask DisposeAsync()
    {
        // Its children end with the parent only when it is asked, not when it is killed.
        if (!_mtpolicyd.HasExited)
        {
            _mtpolicyd.Terminate();
            await _mtpolicyd.Exits();
        }

        await _mtpolicyd.DisposeAsync();
        await _memcached.DisposeAsync();
    }
}
