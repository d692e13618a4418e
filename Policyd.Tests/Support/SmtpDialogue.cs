using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Support;

/// <summary>A mail client that shows each of the server's answers, as far as the tests need one.</summary>
internal sealed class SmtpDialogue : IAsyncDisposable
{
    private readonly TcpClient _connection = new();
    private StreamReader _reader = StreamReader.Null;
    private Stream _stream = Stream.Null;

    public static async Task<SmtpDialogue> Connect(int port, string? asClient = null)
    {
        var dialogue = new SmtpDialogue();
        await dialogue._connection.ConnectAsync("127.0.0.1", port, TestContext.Current.CancellationToken);
        dialogue._stream = dialogue._connection.GetStream();
        dialogue._reader = new StreamReader(dialogue._stream, Encoding.UTF8);
        await dialogue.Expect("220");
        if (asClient is not null)
        {
            await dialogue.Say("EHLO test");
            await dialogue.Say($"XCLIENT ADDR={asClient} NAME=client.example.com");
        }

        await dialogue.Say("EHLO client.example.com");
        return dialogue;
    }

    /// <summary>Says a line and gives the whole answer; its last line begins with the code and a space.</summary>
    public async Task<string> Say(string line)
    {
        await _stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\r\n"), TestContext.Current.CancellationToken);
        return await ReadAnswer();
    }

    /// <summary>Sends a mail; gives the answer to each recipient, and the answer to its end (null when no recipient was taken).</summary>
    public async Task<(IReadOnlyList<string> Recipients, string? End)> Send(string sender, params string[] recipients)
    {
        await Say($"MAIL FROM:<{sender}>");
        var answers = new List<string>();
        foreach (var recipient in recipients)
        {
            answers.Add(await Say($"RCPT TO:<{recipient}>"));
        }

        if (!answers.Exists(answer => answer.StartsWith('2')))
        {
            await Say("RSET");
            return (answers, null);
        }

        await Say("DATA");
        return (answers, await Say($"Subject: {sender}\r\n\r\nHello.\r\n."));
    }

    public ValueTask DisposeAsync()
    {
        _connection.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task Expect(string code) => Assert.StartsWith(code, await ReadAnswer(), StringComparison.Ordinal);

    private async Task<string> ReadAnswer()
    {
        var answer = new StringBuilder();
        while (true)
        {
            var line = await Eventually.Ends("an SMTP answer", _reader.ReadLineAsync(TestContext.Current.CancellationToken).AsTask());
            answer.Append(line);
            if (line is null || line.Length < 4 || line[3] == ' ')
            {
                return answer.ToString();
            }

            answer.Append('\n');
        }
    }
}
