using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Policyd.Protocol;
using Policyd.Tests.Actors;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// What a request that two Quotas check and an Accounting counts in two fields leaves behind for the garbage collector, and how often it
/// crosses the thread pool: on SQLite, with keys that are in memory. The client and the server are one process; the client allocates
/// nothing.
/// </summary>
[Collection(Alone.Name)]
public sealed class CountedRequestCostSpecs(ITestOutputHelper output) : IDisposable
{
    private const int Windows = 4;
    private const int Keys = 10;
    private const int Requests = 320;

    private readonly TemporaryFolder _folder = new();

    /// <summary>
    /// Alone a request has a commit for itself. Sixteen that come together share one. Measured here: 6,110 bytes and 1.0 work items alone,
    /// 2,900 bytes and 1.0 work items of sixteen.
    /// </summary>
    [Theory]
    [InlineData(1, 8_000, 2)]
    [InlineData(16, 3_900, 1.8)]
    public async Task Counted_request_makes_little_garbage_and_few_work_items(int connections, long mostBytes, double mostWorkItems)
    {
        Needs.OptimizedBuild();
        await using var server = await ServerUnderTest.StartAsync(
            $$"""
            policyd { listen = ["127.0.0.1:0"], session_cache { module = None }
              connections { db { module = Sql, dsn = "Data Source={{_folder["counters.db"]}}", provider = SQLite } }
              virtual_hosts = [ { name = test, port = "127.0.0.1:0", plugins = [
                { name = ip, module = Quota, field = client_address, metric = count, threshold = 1000000 }
                { name = user, module = Quota, field = sasl_username, metric = count, threshold = 1000000 }
                { name = count, module = Accounting, fields = "client_address, sasl_username" } ] } ] }
            """,
            logs: LogLevel.Warning);
        var least = await Task.Factory.StartNew(
            () =>
            {
                using var client = new LockstepClient(server.Endpoint.Port, connections);
                client.Ask(Requests);
                return Enumerable.Range(0, Windows).Select(_ => CostOf(client)).Aggregate(Least);
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        Summary.Line(output, string.Create(
            CultureInfo.InvariantCulture,
            $"a counted request, {connections} at a time: {least.Bytes} bytes of garbage, {least.WorkItems:F2} work items"));
        Assert.InRange(least.Bytes, 0, mostBytes);
        Assert.InRange(least.WorkItems, 0, mostWorkItems);
    }

    public void Dispose() => _folder.Dispose();

    // The figures are those of the process. Nothing else runs beside this class, but what other tests have left may still end: hence the
    // least of some windows.
    private static (long Bytes, double WorkItems) CostOf(LockstepClient client)
    {
        var (bytes, items) = (GC.GetTotalAllocatedBytes(precise: true), ThreadPool.CompletedWorkItemCount);
        client.Ask(Requests);
        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        items = ThreadPool.CompletedWorkItemCount - items;
        return (bytes / Requests, items / (double)Requests);
    }

    private static (long Bytes, double WorkItems) Least((long Bytes, double WorkItems) one, (long Bytes, double WorkItems) other) =>
        (Math.Min(one.Bytes, other.Bytes), Math.Min(one.WorkItems, other.WorkItems));

    /// <summary>Sends a request on each of its connections, waits for all answers, and begins again.</summary>
    private sealed class LockstepClient : IDisposable
    {
        private readonly Socket[] _sockets;
        private readonly byte[][] _requests;
        private readonly int _number;
        private readonly byte[] _answer = new byte[256];
        private int _mail;

        public LockstepClient(int port, int connections)
        {
            _requests =
            [
                .. Enumerable.Range(0, Keys).Select(key => PolicyRequestBuilder.AccessPolicy().Add("instance", "4711.000000")
                    .Add("client_address", $"192.0.2.{key}").Add("sasl_username", $"user{key}").ToBytes()),
            ];
            _number = _requests[0].AsSpan().IndexOf("000000"u8);
            _sockets =
            [
                .. Enumerable.Range(0, connections).Select(_ =>
                {
                    // One that has connected asynchronously allocates to wait.
                    var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                    socket.Connect(IPAddress.Loopback, port);
                    return socket;
                }),
            ];
        }

        public void Ask(int requests)
        {
            for (var sent = 0; sent < requests; sent += _sockets.Length)
            {
                foreach (var socket in _sockets)
                {
                    var request = _requests[_mail % Keys];
                    _mail++;
                    _mail.TryFormat(request.AsSpan(_number, 6), out _, "D6", CultureInfo.InvariantCulture);
                    socket.Send(request);
                }

                foreach (var socket in _sockets)
                {
                    var read = 0;
                    while (!_answer.AsSpan(0, read).EndsWith("\n\n"u8))
                    {
                        var more = socket.Receive(_answer.AsSpan(read));
                        Assert.True(more > 0, "the server closed the connection");
                        read += more;
                    }

                    Assert.True(_answer.AsSpan(0, read).SequenceEqual("action=dunno\n\n"u8));
                }
            }
        }

        public void Dispose() => Array.ForEach(_sockets, static socket => socket.Dispose());
    }
}
