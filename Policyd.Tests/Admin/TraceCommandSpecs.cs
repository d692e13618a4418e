using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Policyd.Protocol;
using Policyd.Tests.Server;
using Policyd.Tests.Support;

namespace Policyd.Tests.Admin;

/// <summary><c>policyd trace</c>: who follows sees each decision, and who stops reading slows nobody.</summary>
[ServerTest]
public sealed class TraceCommandSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePort.Next();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_command_that_follows_ends_when_nobody_reads_it_any_more()
    {
        var file = Configure();
        await using var server = await PolicydProcess.Serve(file, _port);
        using var reader = Start("trace", "-c", file);
        await FollowedAsync(reader, "sender=bad@example.net");

        // As "| head -1" does; no further mail comes.
        reader.StandardOutput.Close();
        await Eventually.Holds("the end of the command", () => reader.HasExited);
        Assert.Equal(0, reader.ExitCode);
    }

    [Fact]
    public async Task Who_follows_sees_what_he_asked_for_and_ends_when_he_is_told_to()
    {
        var file = Configure();
        await using var server = await PolicydProcess.Serve(file, _port);
        using var reader = Start("trace", "-c", file, "--action", "reject", "--client", "192.0.2.0/24", "-v");
        await FollowedAsync(reader, "sender=bad@example.net");
        await Ask("192.0.2.7", "good@example.net");
        await Ask("198.51.100.1", "bad@example.net");
        await Ask("192.0.2.8", "bad@example.net", "last\u001b[2J@example.org");
        var lines = new List<string>();
        while (!lines.Exists(static line => line.Contains("last", StringComparison.Ordinal)))
        {
            lines.Add(await LineAsync(reader));
        }

        Assert.DoesNotContain(lines, static line => line.Contains("good@", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, static line => line.Contains("198.51.100.1", StringComparison.Ordinal));
        Assert.Contains("recipient=last\\x1b[2J@example.org: reject no rule=no ", lines[^1], StringComparison.Ordinal);
        Assert.Matches("^    no \\(Condition\\): answers reject no, ", await LineAsync(reader));
        Assert.Equal("        sender: bad@example.net (compared with bad@example.net): equal", await LineAsync(reader));

        // Not SIGINT: a shell starts its background commands with that ignored, and so may be what runs the tests.
        using var ending = Process.Start("kill", ["-TERM", $"{reader.Id}"]);
        await reader.WaitForExitAsync(Cancel).WaitAsync(Eventually.Timeout, Cancel);
        Assert.Equal(0, reader.ExitCode);
    }

    [Fact]
    public async Task A_reader_that_stops_loses_decisions_and_mail_goes_on()
    {
        var file = Configure();
        await using var server = await PolicydProcess.Serve(file, _port);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_folder["admin.sock"]), Cancel);
        await using var stream = new NetworkStream(socket);
        using var lines = new StreamReader(stream);
        await stream.WriteAsync("{\"command\":\"trace\",\"arguments\":{}}\n"u8.ToArray(), Cancel);
        Assert.Contains("\"following\":true", await lines.ReadLineAsync(Cancel), StringComparison.Ordinal);
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        await Eventually.Holds("the reader to listen", async () =>
        {
            await client.AskAsync(Request("192.0.2.7", "first@example.net", "b@example.org"), Cancel);
            return socket.Available > 0;
        });

        // More than the socket's buffers and the queue hold together: nobody reads.
        const int Mails = 12_000;
        for (var mail = 0; mail < Mails; mail++)
        {
            Assert.Equal("dunno", await client.AskAsync(Request("192.0.2.7", $"m{mail}@example.net", "b@example.org"), Cancel));
        }

        var (seen, lost) = (0L, 0L);
        while (lost == 0 || seen + lost < Mails)
        {
            var line = await lines.ReadLineAsync(Cancel).AsTask().WaitAsync(Eventually.Timeout, Cancel);
            using var report = JsonDocument.Parse(line!);
            var result = report.RootElement.GetProperty("result");
            if (result.TryGetProperty("lost", out var count))
            {
                lost += count.GetInt64();
            }
            else if (result.GetProperty("sender").GetString()!.StartsWith('m'))
            {
                seen++;
            }
        }

        Assert.Equal(Mails, seen + lost);
    }

    [Fact]
    public async Task What_cannot_be_followed_is_told()
    {
        var file = Configure();
        Assert.Equal(69, (await Command.RunAsync("", "trace", "-c", file)).ExitCode);
        await using var server = await PolicydProcess.Serve(file, _port);
        var wrong = await Command.RunAsync("", "trace", "-c", file, "--client", "nowhere");
        Assert.Equal(
            (64, "policyd: \"nowhere\" is neither an address nor a network such as 192.0.2.0/24\n"), (wrong.ExitCode, wrong.Error));
        using var reader = Start("trace", "-c", file, "--json");
        await FollowedAsync(reader, "\"sender\":\"bad@example.net\"");
        server.Terminate();
        Assert.Equal(0, await server.Exits());
        await reader.WaitForExitAsync(Cancel).WaitAsync(Eventually.Timeout, Cancel);
        Assert.Equal(69, reader.ExitCode);
    }

    private static Process Start(params string[] arguments)
    {
        TestKinds.MayStart(PolicydProcess.Executable);
        return Process.Start(new ProcessStartInfo(PolicydProcess.Executable, arguments)
        {
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        })!;
    }

    private static async Task<string> LineAsync(Process reader) =>
        await reader.StandardOutput.ReadLineAsync(Cancel).AsTask().WaitAsync(Eventually.Timeout, Cancel)
            ?? throw new InvalidOperationException("policyd trace has ended");

    /// <summary>Asks until the reader, which takes a while to start, has heard of it.</summary>
    private async Task FollowedAsync(Process reader, string text)
    {
        var heard = LineAsync(reader);
        await Eventually.Holds("the reader to follow", async () =>
        {
            await Ask("192.0.2.7", "bad@example.net");
            return heard.IsCompleted;
        });
        Assert.Contains(text, await heard, StringComparison.Ordinal);
    }

    private async Task Ask(string address, string sender, string recipient = "b@example.org")
    {
        await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), Cancel);
        await client.AskAsync(Request(address, sender, recipient), Cancel);
    }

    private static byte[] Request(string address, string sender, string recipient) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", "RCPT")
        .Add("client_address", address)
        .Add("sender", sender)
        .Add("recipient", recipient)
        .Add("instance", "1")
        .ToBytes();

    private string Configure() => _folder.Write(
        "policyd.hocon",
        $$"""
        policyd {
          listen = ["127.0.0.1:{{_port}}"], admin { listen = "unix:{{_folder["admin.sock"]}}" }, log_level = 1
          virtual_hosts = [ { name = x, port = {{_port}}, plugins = [
            { name = no, module = Condition, key = sender, match = "bad@example.net", action = "reject no" } ] } ]
        }
        """);
}
