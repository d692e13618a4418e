using Policyd.Plugins.Counters;

namespace Policyd.Tests.Support;

/// <summary>
/// Phases of one operation, for tests that ask one thing at a time. Each ends when its token is cancelled, at once, with what is told
/// without an answer.
/// </summary>
internal static class CounterCalls
{
    public static async ValueTask<CounterReading> ReadAsync(
        this ICounters counters, CounterKey key, CounterWindow window, CancellationToken ct)
    {
        var answer = await RunAsync(counters, new ReadOperation(key, window), ct).ConfigureAwait(false);
        return new CounterReading(answer.State, answer.Total);
    }

    public static async ValueTask<Admission> ReserveAsync(
        this ICounters counters,
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        MailId mail,
        CancellationToken ct)
    {
        var reserve = new ReserveOperation(key, window, metric, threshold, amounts, mail);
        var answer = await RunAsync(counters, reserve, ct).ConfigureAwait(false);
        return new Admission(answer.State, answer.Yes, answer.Total);
    }

    public static async ValueTask<CounterReading> AddAsync(
        this ICounters counters,
        CounterKey key,
        CounterWindow window,
        CounterAmounts amounts,
        MailId mail,
        UInt128? requestId,
        CancellationToken ct)
    {
        var add = new AddOperation(key, window, amounts, mail, requestId);
        var answer = await RunAsync(counters, add, ct).ConfigureAwait(false);
        return answer == CounterAnswer.None
            ? new CounterReading(CounterState.Deferred, default)
            : new CounterReading(answer.State, answer.Total);
    }

    public static async ValueTask<bool> IsCountedAsync(
        this ICounters counters, CounterKey key, IReadOnlyList<UInt128> requestIds, CancellationToken ct)
    {
        var answer = await RunAsync(counters, new FindCountedOperation(key, requestIds), ct).ConfigureAwait(false);
        return answer is { State: CounterState.Known, Yes: true };
    }

    private static async ValueTask<CounterAnswer> RunAsync(ICounters counters, CounterOperation operation, CancellationToken ct)
    {
        var phase = new CounterPhase();
        phase.Put(operation);
        await phase.RunAsync(counters, ct).ConfigureAwait(false);
        return operation.Answer;
    }
}

/// <summary>The sums of one counter in one window, and how sure they are.</summary>
internal readonly record struct CounterReading(CounterState State, CounterAmounts Total);

/// <summary>The answer to check and reserve.</summary>
internal readonly record struct Admission(CounterState State, bool Admitted, CounterAmounts Total);
