using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Support;

/// <summary>Takes every mail that a server delivers and keeps its text, so that a test can read the headers.</summary>
internal sealed class SmtpSink : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _mails = new();
    private readonly AcceptLoop _clients;

    public SmtpSink() => _clients = new AcceptLoop(Take);

    public int Port => _clients.Port;

    /// <summary>Waits for the mail whose text holds <paramref name="part"/>.</summary>
    public async Task<string> Receives(string part)
    {
        string? found = null;
        await Eventually.Holds(
            $"a mail with \"{part}\"",
            () => (found = _mails.FirstOrDefault(mail => mail.Contains(part, StringComparison.Ordinal))) is not null);
        return found!;
    }

    public ValueTask DisposeAsync() => _clients.DisposeAsync();

    private async Task Take(Socket client, CancellationToken stop)
    {
        using (client)
        {
            var stream = new NetworkStream(client);
            var reader = new StreamReader(stream, Encoding.UTF8);
            ValueTask Answer(string line) => stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\r\n"), stop);
            await Answer("220 sink");
            while (await reader.ReadLineAsync(stop) is { } line)
            {
                if (line.StartsWith("DATA", StringComparison.OrdinalIgnoreCase))
                {
                    await Answer("354 go on");
                    _mails.Enqueue(await ReadMail(reader, stop));
                }

                await Answer(line.StartsWith("QUIT", StringComparison.OrdinalIgnoreCase) ? "221 bye" : "250 ok");
            }
        }
    }

    private static async Task<string> ReadMail(StreamReader reader, CancellationToken stop)
    {
        var mail = new StringBuilder();
        while (await reader.ReadLineAsync(stop) is { } line && line != ".")
        {
            mail.Append(line).Append('\n');
        }

        return mail.ToString();
    }
}
