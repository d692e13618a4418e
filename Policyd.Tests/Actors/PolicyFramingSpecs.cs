using System.Text;
using Akka.Actor;
using Akka.Streams;
using Akka.Streams.Dsl;
using Policyd.Actors.Connections;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Actors;

public sealed class PolicyFramingSpecs : IAsyncLifetime
{
    private const string First = "request=smtpd_access_policy\ninstance=1\n\n";
    private const string Second = "request=smtpd_access_policy\r\ninstance=2\r\n\r\n";
    private readonly ActorSystem _system = ActorSystem.Create("framing", "akka.loglevel = OFF");
    private readonly ActorMaterializer _materializer;

    public PolicyFramingSpecs() => _materializer = ActorMaterializer.Create(_system);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Fact]
    public async Task Requests_come_whole_and_in_order_when_the_bytes_are_cut_anywhere()
    {
        var bytes = Encoding.UTF8.GetBytes(First + Second);
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            var instances = await FrameAsync(bytes[..cut], bytes[cut..]);
            Assert.True(instances.SequenceEqual(["1", "2"]), $"cut at {cut}: {string.Join(',', instances)}");
        }
    }

    [Fact]
    public async Task Requests_come_whole_when_every_byte_comes_alone()
    {
        var bytes = Encoding.UTF8.GetBytes(First + Second);
        Assert.Equal(["1", "2"], await FrameAsync([.. bytes.Select(one => new[] { one })]));
    }

    [Fact]
    public async Task Many_requests_of_one_packet_all_come()
    {
        var packet = string.Concat(Enumerable.Range(0, 500).Select(i => $"request=smtpd_access_policy\ninstance={i}\n\n"));
        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"{i}"), await FrameAsync(Encoding.UTF8.GetBytes(packet)));
    }

    [Fact]
    public async Task A_partial_packet_asks_for_more_bytes_instead_of_stalling()
    {
        var (bytes, requests) = Source.Queue<ReceivedBytes>(16, OverflowStrategy.Fail)
            .Via(Stage())
            .ToMaterialized(Sink.Queue<PolicyRequest>(), Keep.Both)
            .Run(_materializer);
        for (var i = 0; i < 3; i++)
        {
            var next = requests.PullAsync();
            await bytes.OfferAsync(Received(Encoding.UTF8.GetBytes(First[..10])), TestContext.Current.CancellationToken);
            await bytes.OfferAsync(Received(Encoding.UTF8.GetBytes(First[10..])), TestContext.Current.CancellationToken);
            Assert.True((await Eventually.Ends("a request of two packets", next)).HasValue);
        }
    }

    [Fact]
    public async Task A_malformed_request_fails_the_stage_after_the_good_ones()
    {
        var seen = new List<string>();
        var error = await Assert.ThrowsAsync<BadRequestException>(
            () => Source.From<ReceivedBytes>([Received(Encoding.UTF8.GetBytes(First + "nonsense\n\n"))])
                .Via(Stage())
                .RunForeach(request => seen.Add(request.Instance), _materializer));
        Assert.False(error.Truncated);
        Assert.Equal(["1"], seen);
    }

    [Fact]
    public async Task Bytes_that_end_in_the_middle_of_a_request_are_told_apart()
    {
        var error = await Assert.ThrowsAsync<BadRequestException>(() => FrameAsync(Encoding.UTF8.GetBytes(First + "request=")));
        Assert.True(error.Truncated);
    }

    private static ReceivedBytes Received(byte[] packet) => new(packet) { Count = packet.Length };

    private static PolicyFraming Stage() => new(RequestLimits.Default, TimeSpan.FromSeconds(20));

    private async Task<List<string>> FrameAsync(params byte[][] packets)
    {
        var seen = new List<string>();
        await Eventually.Ends("the end of the stream", Source.From(packets.Select(Received))
            .Via(Flow.FromGraph(Stage()))
            .RunWith(Sink.Aggregate<PolicyRequest, List<string>>(seen, static (all, request) =>
            {
                all.Add(request.Instance);
                return all;
            }), _materializer));
        return seen;
    }
}
