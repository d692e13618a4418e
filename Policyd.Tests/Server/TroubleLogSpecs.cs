using System.Net.Sockets;
using System.Text.RegularExpressions;
using Policyd.Tests.Support;
using Xunit;

namespace Policyd.Tests.Server;

/// <summary>
/// Whoever reaches the port cannot fill the log: each kind of trouble has a line at once, and then one in ten seconds with a count.
/// </summary>
[ServerTest]
public sealed class TroubleLogSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Two_thousand_connections_with_garbage_give_few_lines_that_count_them_all()
    {
        const int Count = 2000;
        var port = FreePort.Next();
        var other = FreePort.Next();
        var file = _folder.Write("p.hocon", $$"""
            policyd { listen = ["127.0.0.1:{{port}}", "127.0.0.1:{{other}}"], admin { listen = off }, virtual_hosts = [ { name = v, port = {{port}} } ] }
            """);
        await using var server = await PolicydProcess.Serve(file, port);
        byte[][] garbage = ["no request\n\n"u8.ToArray(), "a=b\0c\n\n"u8.ToArray(), "cut=off"u8.ToArray()];
        for (var index = 0; index < Count; index++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync("127.0.0.1", port, TestContext.Current.CancellationToken);
            await socket.SendAsync(garbage[index % garbage.Length], TestContext.Current.CancellationToken);
            socket.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await socket.ReceiveAsync(new byte[100], TestContext.Current.CancellationToken));
        }

        await Eventually.Holds("lines that count all of them", () => Told(server) == Count);
        Assert.InRange(server.Lines.Count(line => line.Contains("malformed", StringComparison.Ordinal)), 2, 20);
    }

    private static long Told(ProcessUnderTest server)
    {
        var lines = server.Lines.Select(line => Regex.Match(line, @"malformed request from .*\((\d+) more|: (\d+) more malformed requests"))
            .Where(match => match.Success);
        return lines.Sum(
            match => match.Groups[1].Success ? 1 + long.Parse(match.Groups[1].ValueSpan) : long.Parse(match.Groups[2].ValueSpan));
    }
}
