using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// The same mtpolicyd.conf on mtpolicyd 2.05 and on ours gives the same answers: the promise that an operator relies on when he
/// changes the binary. Random requests (POLICYD_DIFFERENTIAL_REQUESTS a chain, POLICYD_SEED to repeat a run) go to both, in the same
/// order, several to a mail. What differs on purpose is listed in docs/differences.md.
/// </summary>
[ServerTest]
public sealed class SameAnswersSpecs(ITestOutputHelper output)
{
    private static readonly string[] Helos = ["", "boo", "mail.example.com", "mx.example.org", "10.0.0.1", "Boo"];
    private static readonly string[] Senders = ["", "alice@example.com", "bob@example.com", "spam@bad.test", "x@evil.test"];
    private static readonly string[] Recipients = ["a@example.org", "stop@example.org", "nested@example.org", "nested2@example.org"];
    private static readonly string[] Addresses = ["10.1.2.3", "192.0.2.7", "2001:db8::25", "198.51.100.200"];
    private static readonly string[] Names = ["unknown", "mail-ab0-f12.google.com", "mail-ab0-f12.google.com.evil.test", "host.example.com"];
    private static readonly string[] Sizes = ["", "0", "9", "10", "77", "123", "1000", "1001", "100000", "12abc", "abc"];

    public static TheoryData<string> Chains => [.. DifferentialConfigurations.All.Keys];

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Both_servers_answer_the_same(string chain)
    {
        Needs.Root();
        using var folder = new TemporaryFolder();
        folder.Write("senders.txt", "# unwanted\n\n@bad\\.test$\n^x@\n");
        await using var proxied = new ProxiedServer();
        string Body(int port, int memcachedPort) => Configuration(chain, folder, proxied.Port, port, memcachedPort);

        var theirPort = FreePort.Next();
        await using var theirs = await MtpolicydProcess.Start(folder, theirPort, Body);
        var ourPort = FreePort.Next();
        var ourFile = folder.Write("policyd.conf", Body(ourPort, theirs.MemcachedPort));
        await using var ours = await PolicydProcess.Serve(ourFile, ourPort, "-l", "0");

        var seed = int.TryParse(Environment.GetEnvironmentVariable("POLICYD_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Environment.TickCount;
        var requests = int.TryParse(Environment.GetEnvironmentVariable("POLICYD_DIFFERENTIAL_REQUESTS"), CultureInfo.InvariantCulture, out var many) ? many : 800;
        var random = new Random(seed);
        await using var askTheirs = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", theirPort), TestContext.Current.CancellationToken);
        await using var askOurs = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", ourPort), TestContext.Current.CancellationToken);
        var answers = new Dictionary<string, int>();
        for (var number = 0; number < requests; number++)
        {
            var request = RandomRequest(random, number / 3);
            var expected = await askTheirs.AskAsync(request, TestContext.Current.CancellationToken);
            var actual = await askOurs.AskAsync(request, TestContext.Current.CancellationToken);
            answers[expected] = answers.GetValueOrDefault(expected) + 1;
            Assert.True(
                expected == actual,
                $"chain \"{chain}\", seed {seed}, request {number}: mtpolicyd says \"{expected}\", we say \"{actual}\" to\n{Encoding.UTF8.GetString(request)}");
        }

        output.WriteLine($"chain \"{chain}\", seed {seed}: {requests} requests, {answers.Count} different answers, no difference");
        Assert.True(answers.Count > 3, "the chain gave hardly any different answers: it tests nothing");
    }

    private static byte[] RandomRequest(Random random, int mail)
    {
        string Any(string[] values) => values[random.Next(values.Length)];
        return PolicyRequestBuilder.AccessPolicy()
            .Add("protocol_state", "RCPT")
            .Add("helo_name", Any(Helos))
            .Add("client_address", Any(Addresses))
            .Add("client_name", Any(Names))
            .Add("sender", Any(Senders))
            .Add("recipient", Any(Recipients))
            .Add("size", Any(Sizes))
            .Add("stress", random.Next(8) == 0 ? "yes" : string.Empty)
            .Add("instance", $"d1f.{mail}")
            .ToBytes();
    }

    private static string Configuration(string chain, TemporaryFolder folder, int proxyPort, int port, int memcachedPort)
    {
        var body = DifferentialConfigurations.All[chain]
            .Replace("@PROXY@", proxyPort.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("@FOLDER@", folder.Path, StringComparison.Ordinal);
        return MtpolicydProcess.Configuration(port, memcachedPort, "differential", body);
    }

    /// <summary>A third policy server, which both ask: its answer follows from the sender.</summary>
    private sealed class ProxiedServer : IAsyncDisposable
    {
        private readonly AcceptLoop _clients = new(Answer);

        public int Port => _clients.Port;

        public ValueTask DisposeAsync() => _clients.DisposeAsync();

        private static async Task Answer(Socket socket, CancellationToken stop)
        {
            using (socket)
            {
                var framer = new RequestFramer(RequestLimits.Default);
                var buffer = new byte[4096];
                while (await socket.ReceiveAsync(buffer, stop) is > 0 and var read)
                {
                    framer.Append(buffer.AsSpan(0, read));
                    while (framer.TryTake(out var frame, out _) == FrameStatus.Frame)
                    {
                        PolicyRequestReader.TryRead(frame, RequestLimits.Default, out var request, out _);
                        await socket.SendAsync(PolicyReply.Encode(request!.Sender switch
                        {
                            "" => "dunno",
                            "alice@example.com" => "PREPEND X-Asked: yes",
                            "bob@example.com" => "reject bob is not welcome",
                            _ => "defer come back",
                        }));
                    }
                }
            }
        }
    }
}
