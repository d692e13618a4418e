using Akka.Actor;
using Akka.Coordination;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;

namespace Policyd.Actors.Clustering;

/// <summary>
/// The lease in the common database that decides which side of a partition goes on. Akka takes it, and holds it until it gives it back;
/// while it is held it is renewed, so that a side that was stopped and goes on later finds it taken.
/// </summary>
/// <remarks>Akka makes one by its type's name, from <see cref="ClusterDirectories"/>.</remarks>
public sealed class ClusterLease(LeaseSettings settings, ExtendedActorSystem system) : Lease(settings), IDisposable
{
    /// <summary>The lease of who may form a cluster.</summary>
    internal const string Formation = "formation";

    /// <summary>The lease of which side of a partition goes on.</summary>
    internal const string Split = "split";

    /// <summary>How long who may form one has, should he not give it back.</summary>
    internal static readonly TimeSpan FormationLasts = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_lasts = TimeSpan.FromSeconds(10);
    private readonly Lock _lock = new();
    private ICancelable? _renewal;

    // Akka makes the lease before the server sets the directory.
    private IClusterDirectory Directory => ClusterDirectories.Of(system);

    /// <inheritdoc/>
    public override async Task<bool> Acquire()
    {
        if (!await TakeAsync().ConfigureAwait(false))
        {
            return false;
        }

        lock (_lock)
        {
            _renewal ??= system.Scheduler.Advanced.ScheduleRepeatedlyCancelable(s_lasts / 3, s_lasts / 3, () => _ = TakeAsync());
        }

        return true;
    }

    /// <inheritdoc/>
    public override Task<bool> Acquire(Action<Exception?> leaseLostCallback) => Acquire();

    /// <inheritdoc/>
    public override async Task<bool> Release()
    {
        Dispose();
        try
        {
            await Directory.ReleaseLeaseAsync(Settings.LeaseName, Settings.OwnerName, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (CounterStoreException)
        {
            return false;   // it ends by itself
        }
    }

    /// <inheritdoc/>
    public override bool CheckLease()
    {
        lock (_lock)
        {
            return _renewal is not null;
        }
    }

    /// <summary>It is no longer renewed.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _renewal?.Cancel();
            _renewal = null;
        }
    }

    // Who cannot ask the database has not got it.
    private async Task<bool> TakeAsync()
    {
        try
        {
            return await Directory.TryTakeLeaseAsync(Settings.LeaseName, Settings.OwnerName, s_lasts, CancellationToken.None)
                .ConfigureAwait(false);
        }
        catch (CounterStoreException)
        {
            return false;
        }
    }
}

/// <summary>The directory of an actor system: what Akka makes by a type's name finds it here.</summary>
internal sealed class ClusterDirectories : ExtensionIdProvider<ClusterDirectories.Holder>
{
    private static readonly ClusterDirectories s_id = new();

    public static IClusterDirectory Of(ActorSystem system) => Find(system).Directory
        ?? throw new InvalidOperationException("the cluster's directory is not set");

    public static void Set(ActorSystem system, IClusterDirectory directory) => Find(system).Directory = directory;

    public override Holder CreateExtension(ExtendedActorSystem system) => new();

    private static Holder Find(ActorSystem system) => system.GetExtension<Holder>() ?? (Holder)system.RegisterExtension(s_id);

    internal sealed class Holder : IExtension
    {
        public IClusterDirectory? Directory { get; set; }
    }
}
