using System.Collections.Immutable;
using Akka.Persistence;
using Akka.Persistence.Journal;

namespace Policyd.Tests.Cron;

/// <summary>A journal in memory whose writes a test holds back. For one test at a time.</summary>
public sealed class HeldJournal : MemoryJournal
{
    private static volatile TaskCompletionSource? s_hold;
    private static int s_held;

    /// <summary>How many writes have been held back since <see cref="Hold"/>.</summary>
    internal static int Held => Volatile.Read(ref s_held);

    /// <summary>Holds back what is written from now on, until the result is completed.</summary>
    internal static TaskCompletionSource Hold()
    {
        Volatile.Write(ref s_held, 0);
        return s_hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Holds back nothing any more, for the tests that follow.</summary>
    internal static void Release()
    {
        s_hold?.TrySetResult();
        s_hold = null;
    }

    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(
        IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        if (s_hold is { } hold)
        {
            Interlocked.Increment(ref s_held);
            await hold.Task;
        }

        return await base.WriteMessagesAsync(messages, cancellationToken);
    }
}
