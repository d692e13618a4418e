using Policyd.Plugins.Counters;

namespace Policyd.Counting.Owners;

/// <summary>What a <see cref="CounterOwner"/> has done by others. Answers are written into the operations themselves.</summary>
internal interface IOwnerEffects
{
    /// <summary>The rows of the window are to be read; <see cref="CounterOwner.OnLoaded"/> or <see cref="CounterOwner.OnLoadFailed"/> comes
    /// back.</summary>
    void Load(CounterWindow window);

    /// <summary>Hands a write to the writer, which answers it.</summary>
    void Write(WriteOperation write);

    /// <summary>
    /// The writer's memory is asked which requests are counted; where an add waits for it, <see cref="CounterOwner.OnCounted"/> comes back.
    /// </summary>
    void Find(FindCountedOperation find);

    /// <summary>
    /// The writer is to say when all that it has been handed is committed; <see cref="CounterOwner.OnSettled"/> comes back.
    /// </summary>
    /// <param name="number">Comes back with the answer.</param>
    /// <param name="patient">False: while the database is away, the answer that it is comes at once. True: only when all is
    /// committed.</param>
    void AskWhenSettled(uint number, bool patient);

    /// <summary>An operation that this life cannot take any more, for the next life of the key.</summary>
    void HandBack(CounterOperation operation);

    /// <summary>The owner would end; its parent answers with <see cref="CounterOwner.OnDrain"/>.</summary>
    void Passivate();

    /// <summary>
    /// No message comes directly any more; behind the last of them <see cref="CounterOwner.OnGateClosed"/> comes.
    /// </summary>
    void CloseGate();

    /// <summary>The life is over.</summary>
    void End();
}
