namespace Policyd.Counting.Clustering;

/// <summary>
/// What the members of a cluster know of one another through their common database, and who of them may decide. Every call has a time-out
/// of its own of at most two seconds: a database that is silent is one that is away. Failures are
/// <see cref="Store.CounterStoreException"/>; a cancelled token throws <see cref="OperationCanceledException"/>.
/// </summary>
public interface IClusterDirectory : IAsyncDisposable
{
    /// <summary>All members that have entered and were not taken out.</summary>
    Task<IReadOnlyList<MemberRow>> ReadAsync(CancellationToken ct);

    /// <summary>
    /// Enters a member; with a lease only if the member has it, in one transaction: who takes the lease afterwards finds the member. False
    /// when it has not.
    /// </summary>
    Task<bool> EnterAsync(MemberRow member, string? lease, CancellationToken ct);

    /// <summary>Makes a member's beat grow; false when it is not there (any more): the others took it for lost.</summary>
    Task<bool> BeatAsync(string member, CancellationToken ct);

    /// <summary>Takes members out. Those that are not there are no error.</summary>
    Task RemoveAsync(IReadOnlyCollection<string> members, CancellationToken ct);

    /// <summary>
    /// Takes a lease, or has it last longer: true when nobody has it, its owner is this one, or it has ended. The database's clock decides.
    /// </summary>
    Task<bool> TryTakeLeaseAsync(string name, string owner, TimeSpan lasts, CancellationToken ct);

    /// <summary>Gives a lease back; nothing happens when it is another's.</summary>
    Task ReleaseLeaseAsync(string name, string owner, CancellationToken ct);

    /// <summary>Who has a lease that has not ended; null when nobody has.</summary>
    Task<string?> LeaseOwnerAsync(string name, CancellationToken ct);
}

/// <summary>A member as the database has it.</summary>
/// <param name="Member">Its address and Akka's number of its life: <c>HOST:PORT#UID</c>.</param>
/// <param name="Address">Where it is reached: <c>HOST:PORT</c>.</param>
/// <param name="Beat">Grows while it lives, see <see cref="IClusterDirectory.BeatAsync"/>.</param>
public sealed record MemberRow(string Member, string Address, long Beat);
