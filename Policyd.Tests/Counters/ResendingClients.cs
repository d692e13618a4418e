using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

/// <summary>
/// Clients that do what Postfix does when a policy server goes away under a request: they connect again and resend it, the same mail,
/// until it is answered. What they were answered is what the table must hold. With a quota each client fills that of one sender after
/// the other: as many mails as it holds must be let in, resent or not, and the one after them must be refused.
/// </summary>
internal sealed class ResendingClients : IAsyncDisposable
{
    private const int Users = 5;

    // A database that was killed recovers first, and the machine may be busy.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(3);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _port;
    private readonly int? _quota;
    private readonly Task[] _clients;
    private int _answered;
    private int _number;
    private int _resent;

    public ResendingClients(int port, int clients, int? quota = null)
    {
        _port = port;
        _quota = quota;
        _clients = [.. Enumerable.Range(0, clients).Select(client => Task.Run(() => SendAsync(client)))];
    }

    /// <summary>Distinct mails that were let in.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Requests that were sent again since their connection broke.</summary>
    public int Resent => Volatile.Read(ref _resent);

    public static IReadOnlyList<string> Senders { get; } = [.. Enumerable.Range(0, Users).Select(SenderOf)];

    /// <summary>Waits until so many more mails are answered.</summary>
    public Task More(int mails)
    {
        var goal = Answered + mails;
        return Eventually.Holds($"{mails} more mails to be answered", () => Failed() || Answered >= goal, s_timeout);
    }

    /// <summary>No new mails; returns when each that was begun is answered.</summary>
    public async Task EndAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_clients).WaitAsync(s_timeout, TestContext.Current.CancellationToken);
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

    private async Task SendAsync(int client)
    {
        for (var ofClient = 0; !_stop.IsCancellationRequested; ofClient++)
        {
            var mail = Interlocked.Increment(ref _number);
            var (sender, isLetIn) = _quota is { } quota
                ? ($"c{client}.{ofClient / (quota + 1)}@example.com", ofClient % (quota + 1) < quota)
                : (SenderOf(mail), true);
            while (!await TryAsync(mail, sender, isLetIn ? "dunno" : "defer smtp traffic quota has been exceeded"))
            {
                Interlocked.Increment(ref _resent);
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                await Task.Delay(5, TestContext.Current.CancellationToken);   // Postfix waits a second; nobody connects in a tight loop
            }

            Interlocked.Add(ref _answered, isLetIn ? 1 : 0);
        }
    }

    private async Task<bool> TryAsync(int mail, string sender, string expected)
    {
        try
        {
            await using var client = await PolicyClient.ConnectAsync(
                PolicyEndpoint.Tcp("127.0.0.1", _port), TestContext.Current.CancellationToken);
            var action = await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy()
                    .Add("protocol_state", "END-OF-MESSAGE")
                    .Add("sender", sender)
                    .Add("instance", $"k.{mail}")
                    .Add("size", "10")
                    .ToBytes(),
                TestContext.Current.CancellationToken);
            return action == expected
                ? true
                : throw new InvalidOperationException($"mail {mail} of {sender} was answered {action}, not {expected}");
        }
        catch (Exception exception) when (exception is PolicyClientException or OperationCanceledException)
        {
            return false;
        }
    }
}
