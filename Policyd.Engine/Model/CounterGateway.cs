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
    public void Send(CounterPhase phase)
    {
        ArgumentNullException.ThrowIfNull(phase);
        if (Volatile.Read(ref _counters) is { } counters)
        {
            counters.Send(phase);
            return;
        }

        foreach (var operation in phase)
        {
            operation.TryAnswer(CounterAnswer.Unavailable(CounterReason.Database));
        }
    }

    /// <inheritdoc/>
    public void Release(CounterKey key, MailId mail, CounterWindow? window = null) =>
        Volatile.Read(ref _counters)?.Release(key, mail, window);

    /// <inheritdoc/>
    public bool KnowsFormerIds(string connection) => Volatile.Read(ref _counters)?.KnowsFormerIds(connection) == true;
}
