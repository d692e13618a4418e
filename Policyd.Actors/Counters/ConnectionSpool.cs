using Microsoft.Extensions.Logging;
using Policyd.Counting.Spool;
using Policyd.Counting.Store;
using Policyd.Engine.Model;

namespace Policyd.Actors.Counters;

/// <summary>
/// The spool of one connection: the file of this life, and those that earlier lives have left. They are looked for once, by whoever comes
/// first: the writer before its first add, or a table that is prepared.
/// </summary>
internal sealed class ConnectionSpool(SpoolPlace place, string connection, string database, TimeProvider clock, ILogger logger)
{
    private readonly Lock _looking = new();
    private IReadOnlyList<FormerSpool>? _former;
    private List<UInt128> _formerIds = [];

    /// <summary>In a cluster: has the owners count what earlier lives have left, see <see cref="SpoolReplay.ThroughOwners"/>.</summary>
    public Func<IReadOnlyList<SpoolEntry>, CancellationToken, Task>? ThroughOwners { get; set; }

    /// <summary>The file of a life, which is made when it is first needed.</summary>
    public SpoolFile NewFile(Guid node) => new(place.Folder, new SpoolHeader(node, connection, database));

    /// <summary>What writes the entries of earlier lives.</summary>
    public SpoolReplay Replay(ICounterStore store) => new(store, Former, clock) { ThroughOwners = ThroughOwners };

    /// <summary>
    /// The requests that earlier lives have counted, and perhaps only their spools know of. Told once. Those that owners are to count are
    /// not among them: they would be taken for counted.
    /// </summary>
    public IReadOnlyList<UInt128> TakeFormerRequestIds()
    {
        Former();
        lock (_looking)
        {
            var ids = _formerIds;
            _formerIds = [];
            return ids;
        }
    }

    private IReadOnlyList<FormerSpool> Former()
    {
        lock (_looking)
        {
            return _former ??= Look();
        }
    }

    private List<FormerSpool> Look()
    {
        var others = new List<SpoolHeader>();
        var unreadable = new List<string>();
        var former = place.Folder.TakeFormer(header => IsMine(header, others), unreadable);
        foreach (var header in others)
        {
            SpoolLog.OtherDatabase(logger, connection, place.Folder.PathOf(header.Node), header.Database, database);
        }

        foreach (var path in unreadable)
        {
            SpoolLog.Unreadable(logger, connection, path);
        }

        var taken = new List<FormerSpool>();
        var oldest = clock.GetUtcNow() - SpoolMark.Kept;
        foreach (var spool in former)
        {
            if (spool.NewestAt < oldest)
            {
                SpoolLog.TooOld(logger, connection, spool.Path, spool.Tables.Sum(spool.MailsOf), SpoolMark.Kept.TotalDays);
                spool.Dispose();
                continue;
            }

            foreach (var table in spool.Tables)
            {
                SpoolLog.Found(logger, connection, spool.Path, spool.MailsOf(table), table);
            }

            if (spool.CutBytes > 0)
            {
                SpoolLog.Cut(logger, connection, spool.Path, spool.CutBytes);
            }

            _formerIds.AddRange(spool.Entries().Where(entry => ThroughOwners is null || !entry.IsForItsOwner)
                .Select(static entry => entry.RequestId).OfType<UInt128>());
            taken.Add(spool);
        }

        return taken;
    }

    private bool IsMine(SpoolHeader header, List<SpoolHeader> others)
    {
        if (header.Connection != connection)
        {
            return false;
        }

        var isMine = place.IsOfThisService || header.Database == database;
        if (!isMine)
        {
            others.Add(header);
        }

        return isMine;
    }
}

/// <summary>Where spool files lie.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="IsOfThisService">
/// Whether the folder was given to this service alone, by its configuration or by systemd. Then all files of a connection are its own,
/// whatever database it names now. Else another server may have used the folder.
/// </param>
internal sealed record SpoolPlace(SpoolFolder Folder, bool IsOfThisService)
{
    /// <summary>By the configuration and the environment; null when it is turned off.</summary>
    public static SpoolPlace? Of(SpoolOptions options)
    {
        var state = Environment.GetEnvironmentVariable("STATE_DIRECTORY");
        return options.Folder(state) is { } folder
            ? new SpoolPlace(new SpoolFolder(folder, options.MaxSize.Bytes), options.IsOfThisService(state))
            : null;
    }
}
