using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Counting.Spool;

/// <summary>
/// Writes what earlier lives have spooled into the database, each entry exactly once. What of a life is written already is told by its
/// marks and by its commits, which outlive it. A commit that the life has left on its way cannot arrive later: its number is closed before
/// it is asked for, and a mark is only moved by the one who found it where it was. A table's entries are written before anything else of
/// the table is, so that no owner loads sums without them.
/// </summary>
/// <param name="store">The database.</param>
/// <param name="former">The files, locked; asked for once.</param>
/// <param name="clock">The clock.</param>
internal sealed class SpoolReplay(ICounterStore store, Func<IReadOnlyList<FormerSpool>> former, TimeProvider clock) : IDisposable
{
    /// <summary>
    /// In a cluster: has the owners of their keys count entries, which completes when the database has all of them. An owner tells by its
    /// request id one that somebody asked another node for, at this very moment or before. Then what is marked is the end of a block that
    /// is counted. Null: a node that is alone has no owners yet, and writes the sums itself.
    /// </summary>
    public Func<IReadOnlyList<SpoolEntry>, CancellationToken, Task>? ThroughOwners { get; init; }

    // As many rows as a busy server's own commits have.
    private const int BlockSize = 2000;

    private readonly Guid _node = Guid.NewGuid();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Lazy<List<FormerSpool>> _files = new(() => [.. former()]);
    private readonly Dictionary<(Guid Node, long Sequence), bool> _committed = [];
    private HashSet<UInt128>? _counted;
    private long _sequence;

    private List<FormerSpool> Left => _files.Value;

    /// <summary>The tables that have entries left.</summary>
    public IReadOnlyCollection<string> Tables
    {
        get
        {
            lock (Left)
            {
                return [.. Left.SelectMany(static spool => spool.Tables).Distinct(StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>Writes a table's entries. The table is prepared.</summary>
    /// <returns>How many mails were written; null when there was nothing to look at.</returns>
    /// <exception cref="CounterStoreException">The database is away, or refuses: to be tried again.</exception>
    public async Task<long?> WriteAsync(string table, CancellationToken ct)
    {
        if (!Tables.Contains(table))
        {
            return null;
        }

        await _turn.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var mails = 0L;
            foreach (var spool in Left.FindAll(one => one.Tables.Contains(table)))
            {
                mails += await WriteAsync(spool, table, ct).ConfigureAwait(false);
                Done(spool, table);
            }

            return mails;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Lets the files go, for a later life.</summary>
    public void Dispose()
    {
        _turn.Dispose();
        lock (Left)
        {
            Left.ForEach(static spool => spool.Dispose());
            Left.Clear();
        }
    }

    private void Done(FormerSpool spool, string table)
    {
        lock (Left)
        {
            spool.Done(table);
            Left.RemoveAll(static one => one.Tables.Count == 0);
        }
    }

    private async Task<long> WriteAsync(FormerSpool spool, string table, CancellationToken ct)
    {
        var node = spool.Header!.Node;
        var counted = await CountedAsync(ct).ConfigureAwait(false);
        foreach (var sequence in spool.Sequences)
        {
            if (!_committed.ContainsKey((node, sequence)))
            {
                _committed.Add(
                    (node, sequence), await store.CloseAsync(node, sequence, clock.GetUtcNow(), ct).ConfigureAwait(false));
            }
        }

        // After the numbers are closed: what was on its way has moved its mark by now, or never will.
        var marks = await store.SpoolMarksAsync(node, ct).ConfigureAwait(false);
        var through = marks.FirstOrDefault(mark => mark.Table == table)?.Through ?? 0;
        var mails = 0L;
        var block = new List<SpoolEntry>(BlockSize);
        foreach (var entry in spool.Entries())
        {
            if (entry.Table != table || entry.Number <= through)
            {
                continue;
            }

            if (block.Count >= BlockSize || (block.Count > 0 && block[0].IdFormat != entry.IdFormat))
            {
                (mails, through) = (mails + await CommitAsync(block, node, through, counted, ct).ConfigureAwait(false), block[^1].Number);
                block.Clear();
            }

            block.Add(entry);
        }

        return block.Count == 0 ? mails : mails + await CommitAsync(block, node, through, counted, ct).ConfigureAwait(false);
    }

    private async Task<long> CommitAsync(List<SpoolEntry> block, Guid node, long through, HashSet<UInt128> counted, CancellationToken ct)
    {
        var ids = new List<UInt128>();
        var deltas = new List<CounterDelta>();
        var toOwners = new List<SpoolEntry>();
        var mails = 0L;
        foreach (var entry in block)
        {
            var isIn = (entry.Sequence > 0 && _committed[(node, entry.Sequence)])
                || (entry.RequestId is { } counts && counted.Contains(counts));
            if (isIn)
            {
                continue;
            }

            mails += entry.IsAbsolute ? 0 : entry.Amounts.Count;
            if (ThroughOwners is not null && entry.IsForItsOwner)
            {
                toOwners.Add(entry);
                continue;
            }

            deltas.Add(new CounterDelta(entry.Table, entry.Key, entry.Time, entry.Amounts, entry.IsAbsolute));
            if (entry.RequestId is { } id)
            {
                ids.Add(id);
            }
        }

        if (toOwners.Count > 0)
        {
            await ThroughOwners!(toOwners, ct).ConfigureAwait(false);
            counted.UnionWith(toOwners.Select(static entry => entry.RequestId!.Value));
        }

        var mark = new SpoolMark(node, block[0].Table, block[^1].Number) { From = through };
        var commit = new CounterCommit(_node, ++_sequence, clock.GetUtcNow(), ids, deltas)
        {
            IdFormat = block[0].IdFormat,
            Spooled = [mark],
        };
        await store.CommitAsync(commit, ct).ConfigureAwait(false);
        counted.UnionWith(ids);
        return mails;
    }

    /// <summary>
    /// The requests that are counted since shortly before the first entry. One that was asked again of a later life, since its answer was
    /// lost with its server, may stand in two files, or in a file and in the database.
    /// </summary>
    private async Task<HashSet<UInt128>> CountedAsync(CancellationToken ct)
    {
        if (_counted is null)
        {
            var since = Left.Min(static spool => spool.OldestAt) - TimeSpan.FromMinutes(5);
            var commits = await store.RequestIdsSinceAsync(since, new Dictionary<Guid, long>(), ct).ConfigureAwait(false);
            var waiting = new HashSet<UInt128>(CounterRequestId.SameCount);
            waiting.UnionWith(Left.SelectMany(static spool => spool.Entries()).Where(static entry => entry.RequestId is not null)
                .Select(static entry => entry.RequestId!.Value));
            _counted = new HashSet<UInt128>(CounterRequestId.SameCount);
            _counted.UnionWith(commits.SelectMany(static commit => commit.RequestIds).Where(waiting.Contains));
        }

        return _counted;
    }
}
