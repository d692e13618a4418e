using System.Net.Sockets;
using System.Runtime.InteropServices;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

[Collection(Alone.Name)]
public sealed class ConnectionLimitSpecs
{
    [Fact]
    public async Task Connections_past_the_bound_are_refused_with_one_line_and_the_others_served()
    {
        await using var server = await ServerUnderTest.AnsweringAsync("max_connections = 10");
        var served = new List<Socket>();
        for (var i = 0; i < 10; i++)
        {
            served.Add(await server.ConnectAsync());
        }

        await Eventually.Holds("ten open connections", () => server.Handle.Connections == 10);
        for (var i = 0; i < 200; i++)
        {
            using var refused = await server.ConnectAsync();
            Assert.Equal("", await ServerUnderTest.ReadToEndAsync(refused));
        }

        Assert.Equal(200, server.Handle.ConnectionsRefused);
        Assert.InRange(server.Log.Containing("max_connections").Count(), 1, 2);   // one in ten seconds
        foreach (var socket in served)
        {
            await socket.SendAsync(ServerUnderTest.Request("1"));
            Assert.Equal("action=dunno\n\n", await ServerUnderTest.ReadAnswersAsync(socket, 1));
            socket.Dispose();
        }

        await Eventually.Holds("room for a new connection", () => server.Handle.Connections == 0);
        Assert.Equal("dunno", await server.AskAsync("good"));
    }

    [ServerTest]
    [Fact]
    public async Task Ten_thousand_idle_connections_cost_less_than_20_KB_each_and_hold_nobody_up()
    {
        const int Count = 10_000;
        NeedFileDescriptors(Count + 500);
        using var folder = new TemporaryFolder();
        var path = "unix:" + folder["idle.sock"];
        await using var server = await ServerUnderTest.StartAsync($$"""
            policyd { listen = ["{{path}}"], virtual_hosts = [
              { name = test, port = "{{path}}", plugins = [ {{ServerUnderTest.Plugin(static _ => ServerUnderTest.Answer("dunno"))}} ] } ] }
            """);
        Assert.Equal("dunno", await server.AskAsync("warm"));
        var before = Heap();

        // The clients live in a process of their own, with descriptors and a heap of their own. Each has asked once: one that was used
        // holds more.
        await using var clients = ProcessUnderTest.Start(
            Path.Combine(AppContext.BaseDirectory, "Policyd.Bench"),
            ["idle", path, "--connections", $"{Count}", "--ask-once", "--hold", "--pid", $"{Environment.ProcessId}"]);
        await Eventually.Holds("all connections to be open", () => server.Handle.Connections >= Count, TimeSpan.FromMinutes(2));
        var each = (Heap() - before) / Count;
        TestContext.Current.TestOutputHelper?.WriteLine($"{each} bytes of heap a connection");
        Assert.InRange(each, 1000, 20_000);
        Assert.Equal("dunno", await server.AskAsync("good"));
        Assert.True(server.Handle.Connections >= Count, "idle connections were closed");

        clients.Input.Close();
        Assert.Equal(0, await clients.Exits(TimeSpan.FromMinutes(2)));
        await Eventually.Holds("all connections to be closed", () => server.Handle.Connections == 0);
        Assert.Equal("dunno", await server.AskAsync("good"));
    }

    private static long Heap()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static void NeedFileDescriptors(ulong count)
    {
        const int NoFile = 7;
        var limit = default(Limit);
        if (!OperatingSystem.IsLinux() || GetLimit(NoFile, out limit) != 0)
        {
            Assert.Skip("the limit of open files cannot be asked for here");
        }

        if (limit.Soft < count)
        {
            // Root may raise the hard limit as well.
            var raised = new Limit { Soft = count, Hard = Math.Max(count, limit.Hard) };
            if (SetLimit(NoFile, in raised) != 0)
            {
                Assert.Skip($"{count} open files are needed, the hard limit is {limit.Hard}");
            }
        }
    }

    [DllImport("libc", EntryPoint = "getrlimit")]
    private static extern int GetLimit(int resource, out Limit limit);

    [DllImport("libc", EntryPoint = "setrlimit")]
    private static extern int SetLimit(int resource, in Limit limit);

    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
