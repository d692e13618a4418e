namespace Policyd.Plugins.Counters;

/// <summary>
/// Phases of one operation, for who asks only once. Each ends when its token is cancelled, at once, with what is told without an answer.
/// </summary>
public static class CounterCalls
{
    /// <inheritdoc cref="ReadOperation"/>
    /// <param name="counters">Who answers.</param>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window that the node which received the request computed.</param>
    /// <param name="ct">The plugin's deadline.</param>
    public static async ValueTask<CounterReading> ReadAsync(
        this ICounters counters, CounterKey key, CounterWindow window, CancellationToken ct)
    {
        var answer = await RunAsync(counters, new ReadOperation(key, window), ct).ConfigureAwait(false);
        return new CounterReading(answer.State, answer.Total);
    }

    /// <inheritdoc cref="ReserveOperation"/>
    /// <param name="counters">Who answers.</param>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window.</param>
    /// <param name="metric">The sum that is compared.</param>
    /// <param name="threshold">The mail is refused when the sum before it is at or above this.</param>
    /// <param name="amounts">What the mail will add.</param>
    /// <param name="mail">The mail.</param>
    /// <param name="ct">The plugin's deadline.</param>
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

    /// <inheritdoc cref="AddOperation"/>
    /// <param name="counters">Who answers.</param>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window.</param>
    /// <param name="amounts">What the mail adds.</param>
    /// <param name="mail">The mail.</param>
    /// <param name="requestId">A <see cref="CounterRequestId"/>; null: always counted.</param>
    /// <param name="ct">The plugin's deadline. An add that was handed over is committed even when its caller no longer waits.</param>
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

    /// <inheritdoc cref="FindCountedOperation"/>
    /// <param name="counters">Who answers.</param>
    /// <param name="key">The counter.</param>
    /// <param name="requestIds">The ids under which the request would be counted.</param>
    /// <param name="ct">The plugin's deadline.</param>
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
