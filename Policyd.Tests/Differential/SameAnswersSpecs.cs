using System.Globalization;
using System.Net.Sockets;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Differential;

/// <summary>
/// The same mtpolicyd.conf on mtpolicyd 2.05 and on ours gives the same answers: the promise that an operator relies on when he
/// changes the binary. Every attribute of a request is random, also within a mail. What differs on purpose is listed in
/// docs/differences.md.
/// </summary>
[ServerTest]
[SoakTest("hundreds of random mails to two servers; POLICYD_DIFFERENTIAL_REQUESTS sets how many")]
public sealed class SameAnswersSpecs(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string[]> s_attributes = new()
    {
        ["helo_name"] = ["", "boo", "mail.example.com", "mx.example.org", "10.0.0.1", "Boo"],
        ["client_address"] = ["10.1.2.3", "192.0.2.7", "2001:db8::25", "198.51.100.200"],
        ["client_name"] = ["unknown", "mail-ab0-f12.google.com", "mail-ab0-f12.google.com.evil.test", "host.example.com"],
        ["sender"] = ["", "alice@example.com", "bob@example.com", "spam@bad.test", "x@evil.test"],
        ["recipient"] = ["a@example.org", "stop@example.org", "nested@example.org", "nested2@example.org"],
        ["size"] = ["", "0", "9", "10", "77", "123", "1000", "1001", "100000", "12abc", "abc"],
        ["stress"] = ["yes", .. Enumerable.Repeat("", 7)],
    };

    public static TheoryData<string> Chains => [.. DifferentialConfigurations.All.Keys];

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task Both_servers_answer_the_same(string chain)
    {
        using var folder = new TemporaryFolder();
        folder.Write("senders.txt", "# unwanted\n\n@bad\\.test$\n^x@\n");
        await using var proxied = new ProxiedServer();
        var plugins = DifferentialConfigurations.All[chain]
            .Replace("@PROXY@", proxied.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("@FOLDER@", folder.Path, StringComparison.Ordinal);
        await DifferentialRun.HoldsAsync(
            new DifferentialSetup($"chain \"{chain}\"", plugins)
            {
                Mails = 320,
                Attributes = s_attributes,
                PerRecipient = [.. s_attributes.Keys],
                IsExecutable = true,
                LeastAnswers = 4,
            },
            output);
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
