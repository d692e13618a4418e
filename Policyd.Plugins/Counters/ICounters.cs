namespace Policyd.Plugins.Counters;

/// <summary>
/// Counters as plugins see them: a key has one owner in the whole cluster, which answers in order. Nothing throws for a database that is
/// away; <see cref="CounterAnswer"/> says so, and why.
/// </summary>
public interface ICounters
{
    /// <summary>
    /// Hands each operation of a phase to the owner of its key, which answers it with <see cref="CounterOperation.TryAnswer"/>. Returns at
    /// once. Called by <see cref="CounterPhase.RunAsync"/>.
    /// </summary>
    /// <param name="phase">The phase.</param>
    void Send(CounterPhase phase);

    /// <summary>Gives back what the mail has reserved on this counter. Told, not answered.</summary>
    /// <param name="key">The counter.</param>
    /// <param name="mail">The mail.</param>
    /// <param name="window">Only what it has reserved in this window; null: in all.</param>
    void Release(CounterKey key, MailId mail, CounterWindow? window = null);

    /// <summary>
    /// Whether counts of the last minutes may be in the database under ids of version 1: a server that was upgraded a moment ago. An add
    /// then brings such an id too, which costs more to make than the rest of it.
    /// </summary>
    /// <param name="connection">The name of the SQL connection.</param>
    bool KnowsFormerIds(string connection);
}
