using System.Net;
using System.Net.Sockets;
using Policyd.Bench.Databases;
using Policyd.Bench.Load;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Postfix;

/// <summary>
/// The original with the same chain, beside a memcached for its sessions. A process of it serves one connection at a time.
/// </summary>
internal static class MtpolicydServer
{
    private const string Name = "mtpolicyd";

    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(1);

    /// <exception cref="InvalidOperationException">It is not installed, or does not start.</exception>
    public static async Task<MeasuredServer> StartAsync(
        int sessions, string directory, IDatabaseServer databases, CancellationToken cancellation)
    {
        var program = Programs.Require(Name, Name);
        var own = Directory.CreateDirectory(Path.Combine(directory, $"{Name}-{Path.GetRandomFileName()}")).FullName;
        if (!OperatingSystem.IsWindows())
        {
            // It runs as nobody and makes its own files of SQLite.
            File.SetUnixFileMode(own, (UnixFileMode)0b111_111_111);
        }

        var endpoint = FreePort.Find([]);
        var cache = FreePort.Find([endpoint.Port]);
        var database = await databases.CreateAsync(own, cancellation).ConfigureAwait(false);
        var file = Path.Combine(own, "mtpolicyd.conf");
        var text = Configuration(endpoint.Port, cache.Port, sessions, database);
        await File.WriteAllTextAsync(file, text, cancellation).ConfigureAwait(false);
        string[] memcached = [Programs.Require("memcached", "memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", $"{cache.Port}"];
        var sessionCache = ServerProcess.Start(memcached, own);
        var process = ServerProcess.Start([program, "-f", "-l", "1", "-c", file], own);
        try
        {
            await process.WaitUntilAsync(Name, () => Task.FromResult(Answers(endpoint)), LongestStart, cancellation).ConfigureAwait(false);
            var sums = await MailSums.StartAsync(database, cancellation).ConfigureAwait(false);
            return new MeasuredServer(Name, endpoint, endpoint, sums, () => ProcessTree.Processor(process.Id), [process, sessionCache]);
        }
        catch
        {
            await process.DisposeAsync().ConfigureAwait(false);
            await sessionCache.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static bool Answers(EndPoint endpoint)
    {
        try
        {
            using var socket = Sockets.Connect(endpoint, LongestStart);
            SingleRequest.Ask(socket, LongestStart);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static string Configuration(int port, int cache, int sessions, CountingDatabase database) => $"""
        user = nobody
        group = nogroup
        log_level = 1
        host = 127.0.0.1
        port = "127.0.0.1:{port}"
        min_servers = {sessions + 2}
        min_spare_servers = 2
        max_spare_servers = {sessions + 4}
        max_servers = {sessions + 10}
        max_requests = 1000000
        keepalive_timeout = 0
        <Connection memcached>
          module = "Memcached"
          servers = "127.0.0.1:{cache}"
        </Connection>
        <Connection db>
          module = "Sql"
          {database.PerlOptions}
        </Connection>
        <SessionCache>
          module = "Memcached"
        </SessionCache>
        <VirtualHost {port}>
          name = "counting"
          {Quota("QuotaFirst", "client_address")}
          {Quota("QuotaSecond", "sender")}
          <Plugin Acct>
            module = "Accounting"
            fields = "client_address, sender"
          </Plugin>
        </VirtualHost>

        """;

    private static string Quota(string name, string field) => $"""
        <Plugin {name}>
            module = "Quota"
            field = "{field}"
            metric = "count"
            threshold = 1000000000
            action = "defer limit"
          </Plugin>
        """;
}
