using System.Net;
using System.Net.Sockets;
using System.Text;
using Policyd.Bench;
using Policyd.Bench.Echo;
using Xunit;

namespace Policyd.Tests.Bench;

/// <summary>The echo answers once for each request however the bytes are cut.</summary>
public class EchoServerSpecs(ITestOutputHelper output)
{
    private const string Answer = "action=dunno\n\n";

    [Fact]
    public void Requests_are_counted_alike_wherever_the_bytes_are_cut()
    {
        var bytes = Encoding.ASCII.GetBytes("a=b\nc=d\n\ne=f\n\n\nx=y\n\n\n\n");
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var counter = new EmptyLineCounter();
                Assert.Equal(4, counter.Count(bytes.AsSpan(0, first)) + counter.Count(bytes.AsSpan(first, second - first)) + counter.Count(
                    bytes.AsSpan(second)));
            }
        }
    }

    [Fact]
    public async Task Each_request_is_answered_once_over_a_socket_whatever_the_segments()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        using var server = new EchoServer(new IPEndPoint(IPAddress.Loopback, 0));
        var running = server.RunAsync(limit.Token);
        using var client = Sockets.Connect(server.Endpoint, TimeSpan.FromSeconds(5));
        await using var stream = new NetworkStream(client);

        const int Requests = 50;
        var bytes = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("request=smtpd_access_policy\nsender=\n\n", Requests)));
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await client.SendAsync(bytes.AsMemory(sent, Math.Min(random.Next(1, 60), bytes.Length - sent)), limit.Token);
        }

        client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream);
        Assert.Equal(string.Concat(Enumerable.Repeat(Answer, Requests)), await reader.ReadToEndAsync(limit.Token));
        await limit.CancelAsync();
        await running;
    }
}
