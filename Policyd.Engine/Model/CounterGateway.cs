using Policyd.Plugins.Counters;

namespace Policyd.Engine.Model;

/// <summary>
/// Where plugins ask before they know who answers: a model is made before its server, and lives without one in <c>policyd check</c>
/// and <c>policyd cron</c>. Until counters are attached every answer is <see cref="CounterState.Unavailable"/>, and mail is admitted.
/// </summary>
public sealed class CounterGateway : ICounters
{
    private ICounters? _counters;

    /// <summary>From now on these counters answer.</summary>
    /// <param name="counters">The counters of the running server.</param>
    public void Attach(ICounters counters)
    {
        ArgumentNullException.ThrowIfNull(counters);
        Volatile.Write(ref _counters, counters);
    }

    /// <inheritdoc/>
    public ValueTask<CounterReading> ReadAsync(CounterKey key, CounterWindow window, CancellationToken ct) =>
        Volatile.Read(ref _counters)?.ReadAsync(key, window, ct) ?? new ValueTask<CounterReading>(Unknown);

    /// <inheritdoc/>
    public ValueTask<Admission> ReserveAsync(
        CounterKey key,
        CounterWindow window,
        CounterMetric metric,
        double threshold,
        CounterAmounts amounts,
        string instance,
        CancellationToken ct) =>
        Volatile.Read(ref _counters)?.ReserveAsync(key, window, metric, threshold, amounts, instance, ct)
        ?? new ValueTask<Admission>(new Admission(CounterState.Unavailable, true, CounterAmounts.Zero));

    /// <inheritdoc/>
    public ValueTask<CounterReading> AddAsync(
        CounterKey key, CounterWindow window, CounterAmounts amounts, string instance, UInt128? requestId, CancellationToken ct) =>
        Volatile.Read(ref _counters)?.AddAsync(key, window, amounts, instance, requestId, ct) ?? new ValueTask<CounterReading>(Unknown);

    /// <inheritdoc/>
    public ValueTask<bool> IsCountedAsync(CounterKey key, IReadOnlyList<UInt128> requestIds, CancellationToken ct) =>
        Volatile.Read(ref _counters)?.IsCountedAsync(key, requestIds, ct) ?? new ValueTask<bool>(false);

    /// <inheritdoc/>
    public void Release(CounterKey key, string instance) => Volatile.Read(ref _counters)?.Release(key, instance);

    private static CounterReading Unknown => new(CounterState.Unavailable, CounterAmounts.Zero);
}
