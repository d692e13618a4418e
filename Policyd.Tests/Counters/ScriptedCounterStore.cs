using System.Collections.Concurrent;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;

namespace Policyd.Tests.Counters;

/// <summary>
/// A counter store in memory that does what a database does on its bad days: each call takes the next turn of its script, and is done
/// properly when the script has none. Outlives the writers that use it, as a database does.
/// </summary>
internal sealed class ScriptedCounterStore : ICounterStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Table, string Key, string Time), CounterAmounts> _rows = [];
    private readonly List<CommittedIds> _log = [];
    private readonly Dictionary<(Guid Node, string Table), long> _marks = [];
    private readonly SortedDictionary<string, bool> _isFenced = new(StringComparer.Ordinal);

    public Script Prepares { get; } = new();

    public Script Loads { get; } = new();

    public Script Commits { get; } = new();

    public Script Lookups { get; } = new();

    public Script ResendReads { get; } = new();

    public Script Fences { get; } = new();

    /// <summary>Asked of each commit: what it is refused for; null lets it pass.</summary>
    public Func<CounterCommit, CounterStoreFailure?> Objection { get; set; } = static _ => null;

    public ConcurrentQueue<CounterCommit> Attempted { get; } = new();

    public ConcurrentQueue<CounterCommit> Applied { get; } = new();

    public ConcurrentQueue<IReadOnlyCollection<CounterLoad>> Loaded { get; } = new();

    public ConcurrentQueue<IReadOnlyDictionary<Guid, long>> Seen { get; } = new();

    public CounterAmounts this[string table, string key, string time]
    {
        get
        {
            lock (_lock)
            {
                return _rows.GetValueOrDefault((table, key, time));
            }
        }

        set
        {
            lock (_lock)
            {
                _rows[(table, key, time)] = value;
            }
        }
    }

    /// <summary>What another node has committed.</summary>
    public void CommittedElsewhere(Guid node, long sequence, DateTimeOffset at, params UInt128[] ids)
    {
        lock (_lock)
        {
            _log.Add(new CommittedIds(node, sequence, at, ids));
        }
    }

    public Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct) =>
        Prepares.RunAsync(() => new CounterTableInfo(table, KeyFolding.Exact, CounterKeyText.MaxLength, TextRepertoire.Unicode, []), table);

    public Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<string>>([]);

    public Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct) => Task.FromResult<CounterTableInfo?>(null);

    public Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct)
    {
        Loaded.Enqueue(loads);
        return Loads.RunAsync<IReadOnlyList<CounterRow>>(
            () =>
            {
                lock (_lock)
                {
                    return
                    [
                        .. from row in _rows
                           where row.Key.Table == table && loads.Any(load => load.Key == row.Key.Key && Covers(load.Times, row.Key.Time))
                           select new CounterRow(row.Key.Key, row.Key.Time, row.Value),
                    ];
                }
            },
            table);
    }

    public Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct)
    {
        Attempted.Enqueue(commit);
        return Commits.RunAsync(() => Apply(commit), string.Join(',', commit.Deltas.Select(delta => delta.Table).Distinct()));
    }

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => Lookups.RunAsync(
        () =>
        {
            lock (_lock)
            {
                return _log.Exists(one => one.Node == node && one.Sequence == sequence);
            }
        },
        string.Empty);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct)
    {
        Seen.Enqueue(new Dictionary<Guid, long>(seen));
        return ResendReads.RunAsync<IReadOnlyList<CommittedIds>>(
            () =>
            {
                lock (_lock)
                {
                    return [.. _log.Where(one => seen.TryGetValue(one.Node, out var known) ? one.Sequence > known : one.At >= since)];
                }
            },
            string.Empty);
    }

    public Task<bool> CloseAsync(Guid node, long sequence, DateTimeOffset at, CancellationToken ct) => Lookups.RunAsync(
        () =>
        {
            lock (_lock)
            {
                if (_log.Find(one => one.Node == node && one.Sequence == sequence) is { } found)
                {
                    return found.Format != CommittedIds.Closed;
                }

                _log.Add(new CommittedIds(node, sequence, at, []) { Format = CommittedIds.Closed });
                return false;
            }
        },
        string.Empty);

    public Task<IReadOnlyList<SpoolMark>> SpoolMarksAsync(Guid node, CancellationToken ct) => Lookups.RunAsync<IReadOnlyList<SpoolMark>>(
        () =>
        {
            lock (_lock)
            {
                return [.. _marks.Where(mark => mark.Key.Node == node).Select(mark => new SpoolMark(node, mark.Key.Table, mark.Value))];
            }
        },
        string.Empty);

    public Task EnterMemberAsync(string member, CancellationToken ct) => Fences.RunAsync(
        () =>
        {
            lock (_lock)
            {
                return _isFenced.TryAdd(member, false) || !_isFenced[member]
                    ? true
                    : throw new CounterStoreException(CounterStoreFailure.Fenced, "it is fenced");
            }
        },
        $"enter {member}");

    public Task FenceMemberAsync(string member, CancellationToken ct) => Fences.RunAsync(
        () =>
        {
            lock (_lock)
            {
                return _isFenced[member] = true;
            }
        },
        $"fence {member}");

    public Task<IReadOnlyList<string>> UnfencedMembersAsync(CancellationToken ct) => Fences.RunAsync<IReadOnlyList<string>>(
        () =>
        {
            lock (_lock)
            {
                return [.. _isFenced.Where(static one => !one.Value).Select(static one => one.Key)];
            }
        },
        "look");

    public Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct) => throw new NotSupportedException();

    public Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct) => throw new NotSupportedException();

    public Task<IReadOnlyList<CounterRow>> ListAsync(
        string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static bool Covers(CounterTimeRange range, string time) =>
        string.CompareOrdinal(range.From, time) <= 0 && string.CompareOrdinal(time, range.To) <= 0;

    private IReadOnlyList<(string Table, CounterRow Row)> Apply(CounterCommit commit)
    {
        if (Objection(commit) is { } failure)
        {
            throw new CounterStoreException(failure, "it objects");
        }

        lock (_lock)
        {
            if (_log.Exists(one => one.Node == commit.Node && one.Sequence == commit.Sequence))
            {
                throw new CounterStoreException(CounterStoreFailure.AlreadyCommitted, "it is there already");
            }

            if (commit.Spooled.Any(mark => mark.From is { } from && _marks.GetValueOrDefault((mark.Node, mark.Table), from) != from))
            {
                throw new CounterStoreException(CounterStoreFailure.Conflict, "the mark is another");
            }

            if (commit.Member is { } member && _isFenced.GetValueOrDefault(member, defaultValue: true))
            {
                throw new CounterStoreException(CounterStoreFailure.Fenced, "it is fenced");
            }

            _log.Add(new CommittedIds(commit.Node, commit.Sequence, commit.At, commit.RequestIds) { Format = commit.IdFormat });
            foreach (var mark in commit.Spooled)
            {
                _marks[(mark.Node, mark.Table)] = Math.Max(mark.Through, _marks.GetValueOrDefault((mark.Node, mark.Table)));
            }

            foreach (var delta in commit.Deltas)
            {
                var id = (delta.Table, delta.Key, delta.Time);
                _rows[id] = delta.Absolute ? delta.Amounts : _rows.GetValueOrDefault(id) + delta.Amounts;
            }

            Applied.Enqueue(commit);
            return [.. commit.Deltas.Select(
                delta => (delta.Table, new CounterRow(delta.Key, delta.Time, _rows[(delta.Table, delta.Key, delta.Time)])))];
        }
    }
}

/// <summary>What one kind of call goes through, turn after turn.</summary>
internal sealed class Script
{
    private readonly ConcurrentQueue<Turn> _turns = new();
    private readonly ConcurrentQueue<string> _calls = new();

    /// <summary>How a call goes: it runs the work, or not, and throws, or not.</summary>
    public delegate Task Turn(Action work);

    /// <summary>While set, how every call goes for which the script has no turn; it is told the tables.</summary>
    public Func<string, Turn?>? Always { get; set; }

    /// <summary>What it was called for, in order.</summary>
    public IReadOnlyCollection<string> Asked => _calls;

    /// <summary>How often it was called.</summary>
    public int Calls => _calls.Count;

    public static Turn Fail(CounterStoreFailure failure) => _ => throw new CounterStoreException(failure, $"scripted: {failure}");

    /// <summary>The work is done, and its caller is not told.</summary>
    public static Turn DoButLoseTheAnswer() => work =>
    {
        work();
        throw new CounterStoreException(CounterStoreFailure.CommitUnknown, "scripted: the connection broke in COMMIT");
    };

    /// <summary>Hangs until the gate opens, then does the work.</summary>
    public static Turn WaitFor(Task gate) => async work =>
    {
        await gate;
        work();
    };

    public void Next(params Turn[] turns)
    {
        foreach (var turn in turns)
        {
            _turns.Enqueue(turn);
        }
    }

    public async Task<T> RunAsync<T>(Func<T> work, string tables)
    {
        _calls.Enqueue(tables);
        var turn = _turns.TryDequeue(out var next) ? next : Always?.Invoke(tables);
        if (turn is null)
        {
            return work();
        }

        var result = default(T);
        await turn(() => result = work());
        return result!;
    }
}
