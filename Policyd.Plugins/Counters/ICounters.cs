namespace Policyd.Plugins.Counters;

/// <summary>
/// Counters as plugins see them: a key has one owner in the whole cluster, which answers in order. None of the calls throws for
/// a database that is away; <see cref="CounterState"/> says so. Each ends when its token is cancelled, at once: its caller waits for
/// nothing else.
/// </summary>
public interface ICounters
{
    /// <summary>The sums of a window, without what other mails have reserved.</summary>
    ValueTask<CounterReading> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct);

    /// <summary>
    /// Checks whether the metric's sum, with adds in flight and the reservations of other mails, is below the threshold, and if so
    /// reserves the mail's amounts until its <see cref="AddAsync"/>, its <see cref="Release"/> or a time-out. Asked again by
    /// the same mail it keeps its reservation, never a second one.
    /// </summary>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window that the node which received the request computed.</param>
    /// <param name="metric">The sum that is compared.</param>
    /// <param name="threshold">The mail is refused when the sum before it is at or above this.</param>
    /// <param name="amounts">What the mail will add.</param>
    /// <param name="instance">The mail (the request's <c>instance</c>); empty reserves nothing.</param>
    /// <param name="ct">The plugin's deadline.</param>
    ValueTask<Admission> ReserveAsync(
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        string instance,
        CancellationToken ct);

    /// <summary>
    /// Adds a mail's amounts, ends its reservation in the same step, and answers when the database has committed them.
    /// An add does not load: of a rolling window that nobody has read since its owner woke, the answered sums are those of the buckets it
    /// knows, which a <see cref="ReadAsync"/> completes.
    /// </summary>
    /// <param name="key">The counter.</param>
    /// <param name="window">The window that the node which received the request computed.</param>
    /// <param name="amounts">What the mail adds.</param>
    /// <param name="instance">The mail.</param>
    /// <param name="requestId">A <see cref="CounterRequestId"/>: a mail that is counted under it is not counted again; null: always
    /// counted.</param>
    /// <param name="ct">The plugin's deadline. An add that was handed over is committed even when its caller no longer waits.</param>
    ValueTask<CounterReading> AddAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, string instance, UInt128? requestId, CancellationToken ct);

    /// <summary>
    /// Whether one of these requests is counted already: what a resend of the mail that filled a quota is let in by. False when
    /// that cannot be told in time. To be asked when a mail is refused, not for each one.
    /// </summary>
    /// <param name="key">The counter.</param>
    /// <param name="requestIds">The ids under which the request would be counted, each a <see cref="CounterRequestId"/>.</param>
    /// <param name="ct">The plugin's deadline.</param>
    ValueTask<bool> IsCountedAsync(CounterKey key, IReadOnlyList<UInt128> requestIds, CancellationToken ct);

    /// <summary>Gives back what the mail has reserved on this counter. Told, not answered.</summary>
    void Release(CounterKey key, string instance);
}
