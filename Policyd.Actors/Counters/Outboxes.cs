using Akka.Actor;
using Microsoft.Extensions.Logging;
using Policyd.Counting.Spool;
using Policyd.Counting.Writing;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sources;

namespace Policyd.Actors.Counters;

/// <summary>
/// The outboxes of the post, one for each connection. An add that no node acknowledges goes to the disk, and its asker on with the mail:
/// what was answered must outlive this process. Used by the post's actor; files are written one group after the other on another thread.
/// </summary>
/// <param name="node">The node.</param>
/// <param name="post">The actor, which gives back what it is told of a group: <see cref="OnWritten"/>.</param>
/// <param name="logger">The log.</param>
internal sealed class Outboxes(CounterNode node, IActorRef post, ILogger logger)
{
    private readonly Dictionary<string, Outbox> _byConnection = [];
    private readonly LogThrottle _refused = new(TimeProvider.System);
    private Task _writing = Task.CompletedTask;

    /// <summary>Puts those that are adds, and not on the disk yet, there.</summary>
    public void Fill(IEnumerable<PendingOperation> unanswered)
    {
        foreach (var pending in unanswered)
        {
            if (pending is { Operation: AddOperation add, Kept: KeptState.No } && Of(add.Key.Connection) is { } outbox)
            {
                pending.Kept = KeptState.OnItsWay;
                outbox.Add(pending);
            }
        }

        foreach (var outbox in _byConnection.Values)
        {
            WriteNext(outbox);
        }
    }

    /// <summary>An operation has been answered.</summary>
    public void Acknowledge(PendingOperation pending)
    {
        if (pending.Kept == KeptState.Yes && _byConnection[pending.Operation.Key.Connection] is var outbox && outbox.Acknowledge())
        {
            Empty(outbox);
        }

        pending.Kept = KeptState.NoMore;
    }

    /// <summary>A group is on the disk, or is refused.</summary>
    public void OnWritten(Written written)
    {
        var kept = 0;
        foreach (var pending in written.Group.Where(static one => one.Kept == KeptState.OnItsWay))
        {
            if (written.Error is not null)
            {
                pending.Kept = KeptState.No;
                continue;
            }

            (pending.Kept, kept) = (KeptState.Yes, kept + 1);

            // A mail that was checked in this request waits on: the next owner of its key checks and counts it in one turn, and may say
            // that there is no room any more.
            if (pending.Operation is AddOperation { Admission: null })
            {
                pending.Operation.TryAnswer(
                    CounterAnswer.Kept(node.Cluster is { HasQuorum: false } ? CounterReason.Quorum : CounterReason.Owner));
            }
        }

        CounterMetrics.Kept.Add(kept);
        if (written.Error is not null && _refused.Enter(out var more))
        {
            CounterLog.NotKept(logger, written.Error, more);
        }

        if (written.Outbox.End(kept))
        {
            Empty(written.Outbox);
        }

        WriteNext(written.Outbox);
    }

    /// <summary>The node ends. Adds that are not acknowledged are left for its next life.</summary>
    public void Leave(IReadOnlyCollection<PendingOperation> unanswered)
    {
        var left = unanswered.Where(static one => one.Operation is AddOperation && one.Kept != KeptState.Yes)
            .ToLookup(static one => one.Operation.Key.Connection);
        foreach (var connection in left)
        {
            Of(connection.Key);
        }

        foreach (var (connection, outbox) in _byConnection)
        {
            PendingOperation[] adds = [.. left[connection]];
            Then(_ => Try(() => outbox.Leave(adds)));
        }
    }

    private void WriteNext(Outbox outbox)
    {
        if (outbox.Begin() is var (group, write))
        {
            _writing = _writing.ContinueWith(
                _ => new Written(outbox, group, Try(write)),
                CancellationToken.None,
                TaskContinuationOptions.None,
                TaskScheduler.Default).PipeTo(post, post);
        }
    }

    private void Empty(Outbox outbox) => Then(_ => Try(outbox.Empty));

    private void Then(Action<Task> step) => _writing = _writing.ContinueWith(
        step, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    private Outbox? Of(string connection)
    {
        if (!_byConnection.TryGetValue(connection, out var outbox) && node.NewOutbox(connection) is { } made)
        {
            _byConnection.Add(connection, outbox = made);
        }

        return outbox;
    }

    private static string? Try(Action write)
    {
        try
        {
            write();
            return null;
        }
        catch (SpoolException refused)
        {
            return refused.Message;
        }
    }

    /// <param name="Outbox">Whose group.</param>
    /// <param name="Group">The group.</param>
    /// <param name="Error">Why it is not on the disk; null when it is.</param>
    internal sealed record Written(Outbox Outbox, IReadOnlyList<PendingOperation> Group, string? Error)
        : INoSerializationVerificationNeeded;
}
