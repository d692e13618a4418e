namespace Policyd.Counting.Clustering;

/// <summary>
/// The fences of one counter database. A member that is fenced can commit nothing there any more. What is asked for here is done before the
/// database is next loaded from, committed to or read; while it fails, those fail as well.
/// </summary>
public interface IMemberFences
{
    /// <summary>From now on this process commits as this member, if it is not fenced.</summary>
    /// <param name="member">Its name.</param>
    /// <param name="onFenced">Told why, when the member turns out to be fenced before it fences others.</param>
    void BecomeMember(string member, Action<string> onFenced);

    /// <summary>A member is lost.</summary>
    void Fence(string member);

    /// <summary>Every member that has entered here and is not one of these is lost.</summary>
    /// <param name="alive">Asked after the members have been read: who joined and entered meanwhile is alive.</param>
    void FenceAllBut(Func<IReadOnlyCollection<string>> alive);

    /// <summary>Enters this process's member, so that others can fence it, and does what was asked for.</summary>
    /// <exception cref="Store.CounterStoreException">The database is away, or this member is fenced.</exception>
    Task RunAsync(CancellationToken ct);
}
