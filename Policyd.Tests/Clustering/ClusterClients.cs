using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Policyd.Protocol;
using Policyd.Tests.Support;

namespace Policyd.Tests.Clustering;

/// <summary>
/// Clients of a cluster that do what several Postfix behind one name do: each mail goes to any node; when the node goes away, or asks to
/// try later, it is sent again, the same mail, to any node. What each was answered is kept, so that the table can be held against it.
/// </summary>
internal sealed class ClusterClients : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(6);
    private readonly IReadOnlyList<PolicyEndpoint> _nodes;
    private readonly Func<string> _printed;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _clients;
    private readonly int _senders;
    private readonly int _mails;
    private readonly Random _random;
    private readonly ConcurrentQueue<ClusterMail> _answered = new();
    private int _number;
    private int _letIn;
    private int _deferred;
    private int _unanswered;

    /// <param name="nodes">Where to.</param>
    /// <param name="clients">How many mails at a time.</param>
    /// <param name="senders">How many senders are written for at a time, until each is over its threshold; then come others.</param>
    /// <param name="mails">How many mails there are at the most; the senders come in turn.</param>
    /// <param name="seed">Of the choice of nodes.</param>
    public ClusterClients(IReadOnlyList<ClusterNodeUnderTest> nodes, int clients, int senders, int mails, int seed)
        : this(
            [.. nodes.Select(static node => node.Address)],
            () => string.Join('\n', nodes.Select(static node => $"--- {node.Host}\n{node.Printed}")),
            clients,
            senders,
            mails,
            seed)
    {
    }

    /// <summary>The same, for nodes that are reached otherwise.</summary>
    public ClusterClients(
        IReadOnlyList<PolicyEndpoint> nodes, Func<string> printed, int clients, int senders, int mails, int seed)
    {
        (_nodes, _printed, _senders, _mails, _random) = (nodes, printed, senders, mails, new Random(seed));
        _clients = [.. Enumerable.Range(0, clients).Select(_ => Task.Run(SendAsync))];
    }

    /// <summary>After how many mails all of so many senders are over their thresholds.</summary>
    public static int RoundOf(int senders) => senders * (ClusterUnderTest.Threshold + 20);

    /// <summary>Mails that were answered for good.</summary>
    public IReadOnlyCollection<ClusterMail> Answered => _answered;

    /// <summary>How many of them were let in.</summary>
    public int LetIn => Volatile.Read(ref _letIn);

    /// <summary>Waits until so many more mails are answered, or all.</summary>
    public Task More(int mails)
    {
        var goal = Math.Min(_answered.Count + mails, _mails);
        return Eventually.Settles(
            () => $"{mails} more mails to be answered; {_answered.Count} are, {_deferred} answers were to try later, {_unanswered} tries "
                + $"had none; the nodes printed:\n{_printed()}",
            () => Task.FromResult(Failed() || _answered.Count >= goal),
            ClusterUnderTest.Timeout);
    }

    /// <summary>Waits until all mails are answered.</summary>
    public Task AllAsync() => Task.WhenAll(_clients).WaitAsync(ClusterUnderTest.Timeout, TestContext.Current.CancellationToken);

    /// <summary>No new mails; returns when each that was begun is answered.</summary>
    public async Task EndAsync()
    {
        await _stop.CancelAsync();
        await AllAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _stop.Dispose();
    }

    /// <summary>The address of the client that sends for a sender, given by its number.</summary>
    public static string ClientOf(int sender) => string.Create(CultureInfo.InvariantCulture, $"192.0.2.{sender}");

    private bool Failed() => _clients.FirstOrDefault(client => client.IsFaulted) is { } failed
        ? throw new InvalidOperationException("a client failed", failed.Exception)
        : false;

    private async Task SendAsync()
    {
        while (!_stop.IsCancellationRequested && Interlocked.Increment(ref _number) is var mail && mail <= _mails)
        {
            var clock = Stopwatch.StartNew();
            var sender = $"u{(mail % _senders) + ((mail - 1) / RoundOf(_senders) * _senders)}@example.com";
            string? action;
            while ((action = await TryAsync(mail, sender)) is null)
            {
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                await Task.Delay(20, TestContext.Current.CancellationToken);   // nobody connects in a tight loop
            }

            var isLetIn = action == "dunno";
            if (!isLetIn && action != "reject full")
            {
                throw new InvalidOperationException($"mail {mail} of {sender} was answered {action}");
            }

            Interlocked.Add(ref _letIn, isLetIn ? 1 : 0);
            _answered.Enqueue(new ClusterMail(mail, sender, isLetIn, clock.Elapsed));
        }
    }

    private async Task<string?> TryAsync(int mail, string sender)
    {
        PolicyEndpoint node;
        lock (_random)
        {
            node = _nodes[_random.Next(_nodes.Count)];
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            await using var client = await PolicyClient.ConnectAsync(node, patience.Token);
            var action = await client.AskAsync(
                PolicyRequestBuilder.AccessPolicy()
                    .Add("protocol_state", "END-OF-MESSAGE")
                    .Add("sender", sender)
                    .Add("client_address", ClientOf(mail % _senders))
                    .Add("instance", $"c.{mail}")
                    .Add("size", "10")
                    .ToBytes(),
                patience.Token);
            if (!action.StartsWith("defer", StringComparison.Ordinal))
            {
                return action;
            }

            Interlocked.Increment(ref _deferred);
            return null;
        }
        catch (Exception exception) when (exception is PolicyClientException or OperationCanceledException)
        {
            Interlocked.Increment(ref _unanswered);
            return null;
        }
    }
}

/// <summary>A mail that was answered for good.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Sender">Whose count it is.</param>
/// <param name="IsLetIn">Whether it was let in, or refused since the quota was full.</param>
/// <param name="Took">From the first try to the answer.</param>
internal sealed record ClusterMail(int Number, string Sender, bool IsLetIn, TimeSpan Took);
