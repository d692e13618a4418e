using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Policyd.Plugins.Counters;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>When a client goes away.</summary>
internal enum Leaving
{
    BeforeTheAnswer,
    AfterTheAnswer,
    InTheNextRequest,
}

/// <summary>A mail as a policy server is asked about it, also by clients that do not wait for the answer.</summary>
internal sealed record MailUnderTest(string Sender, string Instance, int Recipients = 1, long Size = 10, string Helo = "good")
{
    public CounterAmounts Amounts => CounterAmounts.OfMail(Recipients, Size);

    /// <summary>Asks on a connection that stays.</summary>
    public async Task<string> Ask(PolicyClient client, string state = "END-OF-MESSAGE") =>
        await client.AskAsync(ToBytes(state), TestContext.Current.CancellationToken);

    /// <summary>Asks on a connection of its own until there is an answer, as Postfix does.</summary>
    public async Task<string> AskUntilAnswered(int port)
    {
        while (true)
        {
            try
            {
                await using var client = await PolicyClient.ConnectAsync(
                    PolicyEndpoint.Tcp("127.0.0.1", port), TestContext.Current.CancellationToken);
                return await Ask(client);
            }
            catch (PolicyClientException)
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);   // Postfix waits a second; nobody connects in a tight loop
            }
        }
    }

    /// <summary>Asks at RCPT and goes away, with a goodbye or, as one whose machine has died, with a reset.</summary>
    public async Task AskAndLeave(int port, Leaving when, bool reset)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        await socket.SendAsync(ToBytes("RCPT"), TestContext.Current.CancellationToken);
        if (when != Leaving.BeforeTheAnswer)
        {
            Assert.NotEqual(0, await socket.ReceiveAsync(new byte[512], TestContext.Current.CancellationToken));
        }

        if (when == Leaving.InTheNextRequest)
        {
            await socket.SendAsync("request=smtpd_acc"u8.ToArray(), TestContext.Current.CancellationToken);
        }

        if (reset)
        {
            socket.LingerState = new LingerOption(true, 0);
        }
    }

    /// <summary>What the SQLite file holds of a sender.</summary>
    public static CounterAmounts SumsOf(string file, string sender) => SumsOf(file, "sender", sender);

    /// <summary>What it holds of a key in the first row of a field.</summary>
    public static CounterAmounts SumsOf(string file, string field, string key)
    {
        var rows = SqliteFile.Rows(file, $"SELECT \"count\", count_rcpt, size, size_rcpt FROM acct_{field} WHERE \"key\" = @key", key);
        long[] sums = rows.Count == 0 ? [0, 0, 0, 0] : [.. rows[0].Split('|').Select(sum => long.Parse(sum, CultureInfo.InvariantCulture))];
        return new CounterAmounts(sums[0], sums[1], sums[2], sums[3]);
    }

    private byte[] ToBytes(string state) => PolicyRequestBuilder.AccessPolicy()
        .Add("protocol_state", state)
        .Add("sender", Sender)
        .Add("instance", Instance)
        .Add("helo_name", Helo)
        .Add("recipient_count", (state == "RCPT" ? 0 : Recipients).ToString(CultureInfo.InvariantCulture))
        .Add("size", Size.ToString(CultureInfo.InvariantCulture))
        .ToBytes();
}
