namespace Policyd.Actors.Dispatching;

/// <summary>Some threads, of which not all may run code that may block them: how many are left that may.</summary>
internal sealed class BlockingThreads(int most)
{
    private int _left = most;

    /// <summary>Whether one more may; it leaves again when it is back.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Decrement(ref _left) >= 0)
        {
            return true;
        }

        Interlocked.Increment(ref _left);
        return false;
    }

    public void Leave() => Interlocked.Increment(ref _left);
}
