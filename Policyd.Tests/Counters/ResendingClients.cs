using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// Clients that do what Postfix does when a policy server goes away under a request: they connect again and resend it, the same mail,
/// until it is answered. What they were answered is what the table must hold.
/// </summary>
internal sealed class ResendingClients : IAsyncDisposable
{
    private const int Users = 5;
    private readonly CancellationTokenSource _stop = new();
    private readonly int _port;
    private readonly Task[] _clients;
    private int _answered;
    private int _number;
    private int _resent;

    public ResendingClients(int port, int clients)
    {
        _port = port;
        _clients = [.. Enumerable.Range(0, clients).Select(_ => Task.Run(SendAsync))];
    }

    /// <summary>Distinct mails that were answered.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Requests that were sent again since their connection broke.</summary>
    public int Resent => Volatile.Read(ref _resent);

    public static IReadOnlyList<string> Senders { get; } = [.. Enumerable.Range(0, Users).Select(SenderOf)];

    /// <summary>Waits until so many more mails are answered.</summary>
    public Task More(int mails)
    {
        var goal = Answered + mails;
        return Eventually.Holds($"{mails} more mails to be answered", () => Failed() || Answered >= goal, TimeSpan.FromSeconds(60));
    }

    /// <summary>No new mails; returns when each that was begun is answered.</summary>
    public async Task EndAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_clients).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _stop.Dispose();
    }

    private static string SenderOf(int mail) => $"u{mail % Users}@example.com";

    private bool Failed() => _clients.FirstOrDefault(client => client.IsFaulted) is { } failed
        ? throw new InvalidOperationException("a client failed", failed.Exception)
        : false;

    private async Task SendAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var mail = Interlocked.Increment(ref _number);
            while (!await TryAsync(mail))
            {
                Interlocked.Increment(ref _resent);
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                await Task.Delay(5, TestContext.Current.CancellationToken);   // Postfix waits a second; nobody connects in a tight loop
            }

            Interlocked.Increment(ref _answered);
        }
    }

    private async Task<bool> TryAsync(int mail)
    {
        try
        {
            await using var client = await PolicyClient.ConnectAsync(PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);
            var action = await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy().Add("protocol_state", "END-OF-MESSAGE").Add("sender", SenderOf(mail)).Add("instance", $"k.{mail}").Add("size", "10").ToBytes(),
                TestContext.Current.CancellationToken);
            return action == "dunno" ? true : throw new InvalidOperationException($"unexpected answer: {action}");
        }
        catch (Exception exception) when (exception is PolicyClientException or OperationCanceledException)
        {
            return false;
        }
    }
}
