using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlCounters;

/// <summary>
/// What the counter stores have in common: lanes, the commits table, purging, lists. A dialect adds the upsert, loads and
/// the take-over. Commits have a lane of their own, so that a load never waits for a disk; whatever may take long (preparing, lists)
/// has a connection only for itself.
/// </summary>
internal abstract class SqlCounterStore : ICounterStore
{
    protected const string Columns = "count, count_rcpt, size, size_rcpt";
    private const int PurgePage = 500;
    private readonly SqlDatabase _database;
    private readonly ConcurrentDictionary<string, CounterTableInfo> _tables = new(StringComparer.Ordinal);
    private readonly FenceTable _fences;
    private volatile bool _schemaIsReady;
    private volatile bool _fencesAreReady;
    private CommitPlan? _plan;
    private IReadOnlyList<string> _upgraded = [];

    protected SqlCounterStore(SqlDatabase database)
    {
        _database = database;
        _fences = new FenceTable(database.Provider);
        Writer = new SqlLane(database, BlocksItsThread);
        Reader = new SqlLane(database, BlocksItsThread);
    }

    protected static string[] Metrics { get; } = ["count", "count_rcpt", "size", "size_rcpt"];

    protected SqlLane Writer { get; }

    protected SqlLane Reader { get; }

    protected string Commits => Quote(CounterTableName.Commits);

    private bool BlocksItsThread => _database.Provider == SqlProvider.SQLite;

    public async Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct)
    {
        CheckName(table);
        await EnsureSchemaAsync(ct).ConfigureAwait(false);
        var lane = new SqlLane(_database, BlocksItsThread);
        await using var _ = lane.ConfigureAwait(false);
        var info = await lane.RunAsync(
            async (connection, token) =>
            {
                var prepared = await PrepareAsync(connection, table, token).ConfigureAwait(false);
                // A table of that name which is none of counters is found now, not by the first mail.
                using var command = connection.Command(
                    $"SELECT {Quote("key")}, {Quote("time")}, {Columns} FROM {Quote(table)} WHERE 1 = 0");
                await command.ExecuteNonQueryAsync(token).ConfigureAwait(false);
                return prepared;
            },
            ct).ConfigureAwait(false);
        _tables[table] = info;

        // Told by the first who prepares a table.
        return info with { Done = [.. Interlocked.Exchange(ref _upgraded, []), .. info.Done] };
    }

    public virtual async Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct)
    {
        CheckName(table);
        return await DescribeAsync(_database, table, ct).ConfigureAwait(false);
    }

    public virtual Task<CounterTableInfo?> LookAsync(string table, CancellationToken ct)
    {
        CheckName(table);
        return LookAsync(_database, table, ct);
    }

    public async Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct)
    {
        var planned = new PlannedTable(InfoOf(table));
        var names = NamesByStoredKey(loads, planned.Info);
        return await Reader.RunAsync(
            async (connection, token) =>
            {
                var rows = new List<CounterRow>(loads.Count);
                foreach (var (times, keys) in names)
                {
                    await LoadAsync(connection, planned, times, keys, rows, token).ConfigureAwait(false);
                }

                return rows;
            },
            ct).ConfigureAwait(false);
    }

    public Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct) => WithSchemaAsync(
        async () =>
        {
            if (commit.Member is not null)
            {
                await EnsureFencesAsync(ct).ConfigureAwait(false);
            }

            return await CommitOnceAsync(commit, ct).ConfigureAwait(false);
        },
        ct);

    private async Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitOnceAsync(CounterCommit commit, CancellationToken ct)
    {
        var plan = Interlocked.Exchange(ref _plan, null) ?? new CommitPlan();
        plan.Fill(commit, InfoOf);
        var committing = false;
        try
        {
            var totals = await Writer.RunAsync(
                async (connection, _) =>
                {
                    await CommitAsync(connection, plan, () => committing = true).ConfigureAwait(false);
                    return plan.Totals();
                },
                ct,
                () => committing).ConfigureAwait(false);
            _plan = plan;
            return totals;
        }
        catch (CounterStoreException e) when (commit.Member is not null && IsOfMissingValue(e))
        {
            if (await FenceOfAsync(commit, e, ct).ConfigureAwait(false) is { } fence)
            {
                throw fence;
            }

            throw;
        }
        catch (CounterStoreException e) when (e.InnerException is { } cause && _database.Classify(cause).Duplicate)
        {
            if (await IsCommittedAsync(commit.Node, commit.Sequence, ct).ConfigureAwait(false))
            {
                throw AlreadyCommitted(commit, cause);
            }

            throw;
        }
        catch (CounterStoreException e)
            when (e.Failure != CounterStoreFailure.CommitUnknown && commit.Spooled.Any(mark => mark.From is not null))
        {
            if (await AreMarksElsewhereAsync(commit.Spooled, ct).ConfigureAwait(false))
            {
                throw new CounterStoreException(CounterStoreFailure.Conflict, "the entries of a spool were written by another process", e);
            }

            throw;
        }
    }

    private bool IsOfMissingValue(CounterStoreException failure) =>
        failure.InnerException is { } cause && _database.Classify(cause).IsMissingValue;

    /// <summary>
    /// Why a commit was refused whose member may be fenced; null when it is not. No commit of a fenced member is under way any more, so
    /// that it is certain whether an earlier attempt of this one is in the database.
    /// </summary>
    private async Task<CounterStoreException?> FenceOfAsync(CounterCommit commit, CounterStoreException failure, CancellationToken ct)
    {
        var member = commit.Member!;
        if (!await Reader.RunAsync((connection, token) => FenceTable.IsFencedAsync(connection, member, token), ct).ConfigureAwait(false))
        {
            return null;
        }

        return await IsCommittedAsync(commit.Node, commit.Sequence, ct).ConfigureAwait(false)
            ? AlreadyCommitted(commit, failure)
            : FenceTable.Fenced(member, failure);
    }

    private static CounterStoreException AlreadyCommitted(CounterCommit commit, Exception cause) => new(
        CounterStoreFailure.AlreadyCommitted, $"commit {commit.Sequence} of this process is already in the database", cause);

    private async Task<bool> AreMarksElsewhereAsync(IReadOnlyList<SpoolMark> expected, CancellationToken ct)
    {
        foreach (var ofNode in expected.GroupBy(mark => mark.Node))
        {
            IReadOnlyList<SpoolMark> found;
            try
            {
                found = await SpoolMarksAsync(ofNode.Key, ct).ConfigureAwait(false);
            }
            catch (CounterStoreException)
            {
                return false;
            }

            if (ofNode.Any(mark => mark.From is { } from
                && (found.FirstOrDefault(one => one.Table == mark.Table)?.Through ?? from) != from))
            {
                return true;
            }
        }

        return false;
    }

    public Task EnterMemberAsync(string member, CancellationToken ct) => WithFencesAsync(
        async (connection, token) =>
        {
            await _fences.EnterAsync(connection, member, token).ConfigureAwait(false);
            return true;
        },
        ct);

    public Task FenceMemberAsync(string member, CancellationToken ct) => WithFencesAsync(
        async (connection, token) =>
        {
            await _fences.FenceAsync(connection, member, token).ConfigureAwait(false);
            return true;
        },
        ct);

    public Task<IReadOnlyList<string>> UnfencedMembersAsync(CancellationToken ct) => WithFencesAsync(FenceTable.UnfencedAsync, ct);

    /// <summary>On a connection of its own: a fence waits for a commit.</summary>
    private async Task<T> WithFencesAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, CancellationToken ct)
    {
        await EnsureFencesAsync(ct).ConfigureAwait(false);
        var lane = new SqlLane(_database, BlocksItsThread);
        await using var _ = lane.ConfigureAwait(false);
        try
        {
            return await lane.RunAsync(work, ct).ConfigureAwait(false);
        }
        catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Schema)
        {
            _fencesAreReady = false;
            throw;
        }
    }

    public async Task<bool> CloseAsync(Guid node, long sequence, DateTimeOffset at, CancellationToken ct)
    {
        var format = await FormatOfAsync(node, sequence, ct).ConfigureAwait(false);
        if (format is null)
        {
            try
            {
                var closing = new CounterCommit(node, sequence, at, [], []) { IdFormat = CommittedIds.Closed };
                await CommitAsync(closing, ct).ConfigureAwait(false);
                return false;
            }
            catch (CounterStoreException e) when (e.Failure is CounterStoreFailure.AlreadyCommitted)
            {
                format = await FormatOfAsync(node, sequence, ct).ConfigureAwait(false);
            }
        }

        return format is not (null or CommittedIds.Closed);
    }

    private Task<int?> FormatOfAsync(Guid node, long sequence, CancellationToken ct) => WithSchemaAsync(
        () => Reader.RunAsync<int?>(
            async (connection, token) =>
            {
                using var command = connection.Command(
                    $"SELECT format FROM {Commits} WHERE node = @node AND seq = @seq",
                    ("@node", node.ToString("N")),
                    ("@seq", sequence));
                return await command.ExecuteScalarAsync(token).ConfigureAwait(false) is { } format
                    ? Convert.ToInt32(format, CultureInfo.InvariantCulture)
                    : null;
            },
            ct),
        ct);

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) => WithSchemaAsync(
        () => Reader.RunAsync(
            async (connection, token) =>
            {
                using var command = connection.Command(
                    $"SELECT 1 FROM {Commits} WHERE node = @node AND seq = @seq",
                    ("@node", node.ToString("N")),
                    ("@seq", sequence));
                return await command.ExecuteScalarAsync(token).ConfigureAwait(false) is not null;
            },
            ct),
        ct);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(
        DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct) => WithSchemaAsync(
        () => Reader.RunAsync<IReadOnlyList<CommittedIds>>(
            async (connection, token) =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = SinceQuery(command, since, seen);
                var found = new List<CommittedIds>();
                var reader = await command.ExecuteReaderAsync(token).ConfigureAwait(false);
                await using var _ = reader.ConfigureAwait(false);
                while (await reader.ReadAsync(token).ConfigureAwait(false))
                {
                    found.Add(new CommittedIds(
                        Guid.ParseExact(reader.GetString(0), "N"),
                        reader.GetInt64(1),
                        DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(2)),
                        CommitPlan.Decode(reader.GetFieldValue<byte[]>(3)))
                    {
                        Format = reader.GetInt32(4),
                    });
                }

                return found;
            },
            ct),
        ct);

    public async Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct)
    {
        CheckName(table);
        var verdicts = new Dictionary<string, bool>(StringComparer.Ordinal);
        CounterRowId? last = null;
        var deleted = 0L;
        do
        {
            var after = last;
            var page = await Reader.RunAsync((connection, token) => PageAsync(connection, table, after, token), ct).ConfigureAwait(false);
            var old = page.Where(IsOld).ToList();
            if (old.Count > 0)
            {
                deleted += await Writer.RunAsync((connection, token) => DeleteAsync(connection, table, old, token), ct)
                    .ConfigureAwait(false);
            }

            last = page.Count == PurgePage ? page[^1] : null;
            if (verdicts.Count > 10_000)
            {
                verdicts.Clear(); // a table of many rolling windows has a text for each minute
            }
        }
        while (last is not null);
        return deleted;

        bool IsOld(CounterRowId row)
        {
            if (!verdicts.TryGetValue(row.Time, out var verdict))
            {
                verdicts.Add(row.Time, verdict = isOld(row.Time));
            }

            return verdict;
        }
    }

    public Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct) => WithSchemaAsync(
        async () =>
        {
            var (end, spoolEnd) = (before.ToUnixTimeMilliseconds(), (before - SpoolMark.Kept).ToUnixTimeMilliseconds());
            var deleted = 0L;
            long? from = long.MinValue;
            while (from is { } start)
            {
                var page = await Reader.RunAsync(
                    (connection, token) => CommitsPurge.FindAsync(connection, start, end, spoolEnd, PurgePage, token), ct)
                    .ConfigureAwait(false);
                deleted += await Writer.RunAsync((connection, token) => page.DeleteAsync(connection, end, token), ct).ConfigureAwait(false);
                from = page.Last;
            }

            await Writer.RunAsync(
                async (connection, token) =>
                {
                    using var marks = connection.Command(
                        $"DELETE FROM {Quote(CounterTableName.Spool)} WHERE at < @end", ("@end", spoolEnd));
                    await marks.ExecuteNonQueryAsync(token).ConfigureAwait(false);
                    return _fencesAreReady && await FenceTable.PurgeAsync(connection, spoolEnd, token).ConfigureAwait(false) > 0;
                },
                ct).ConfigureAwait(false);
            return deleted;
        },
        ct);

    public Task<IReadOnlyList<SpoolMark>> SpoolMarksAsync(Guid node, CancellationToken ct) => WithSchemaAsync(
        () => Reader.RunAsync<IReadOnlyList<SpoolMark>>(
            async (connection, token) =>
            {
                using var command = connection.Command(
                    $"SELECT table_name, through FROM {Quote(CounterTableName.Spool)} WHERE node = @node",
                    ("@node", node.ToString("N")));
                var marks = new List<SpoolMark>();
                var reader = await command.ExecuteReaderAsync(token).ConfigureAwait(false);
                await using var _ = reader.ConfigureAwait(false);
                while (await reader.ReadAsync(token).ConfigureAwait(false))
                {
                    marks.Add(new SpoolMark(node, reader.GetString(0), reader.GetInt64(1)));
                }

                return marks;
            },
            ct),
        ct);

    public async Task<IReadOnlyList<CounterRow>> ListAsync(
        string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct)
    {
        CheckName(table);
        var lane = new SqlLane(_database, BlocksItsThread);
        await using var _ = lane.ConfigureAwait(false);
        return await lane.RunAsync((connection, token) => ListAsync(connection, table, times, order, limit, token), ct)
            .ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await Writer.DisposeAsync().ConfigureAwait(false);
        await Reader.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Rows were deleted on the writer's connection.</summary>
    protected virtual void OnRowsDeleted()
    {
    }

    /// <summary>What a database needs before its first table.</summary>
    protected virtual Task BeforeSchemaAsync(DbConnection connection, CancellationToken ct) => Task.CompletedTask;

    /// <summary>Runs the transaction, filling in the totals of the plan's rows.</summary>
    /// <param name="connection">The writer's connection.</param>
    /// <param name="plan">The commit.</param>
    /// <param name="committing">Called right before a COMMIT may reach the database.</param>
    protected abstract Task CommitAsync(DbConnection connection, CommitPlan plan, Action committing);

    protected abstract Task LoadAsync(
        DbConnection connection,
        PlannedTable table,
        CounterTimeRange times,
        Dictionary<string, List<string>> keys,
        List<CounterRow> rows,
        CancellationToken ct);

    protected abstract Task<CounterTableInfo> PrepareAsync(DbConnection connection, string table, CancellationToken ct);

    protected abstract Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct);

    /// <summary>What the steps of a start do, and why they cannot be done, as far as that is known.</summary>
    protected async Task<IReadOnlyList<string>> SentencesAsync(
        DbConnection connection, IReadOnlyList<(string Done, string Sql)> steps, CancellationToken ct)
    {
        string[] done = [.. steps.Select(static step => step.Done)];
        var look = new SchemaLook(connection, _database.Provider);
        var why = await look.WhyNoTablesAsync(steps.Select(static step => step.Sql), ct).ConfigureAwait(false);
        return why is null ? done : [.. done, why];
    }

    /// <summary>What a table that is there can hold.</summary>
    protected abstract Task<CounterTableInfo> InfoAsync(
        DbConnection connection, string table, IReadOnlyList<string> done, CancellationToken ct);

    protected abstract CounterTableInfo DefaultInfo(string table);

    protected async Task<CounterTableInfo?> LookAsync(SqlDatabase database, string table, CancellationToken ct)
    {
        var lane = new SqlLane(database, BlocksItsThread);
        await using var _ = lane.ConfigureAwait(false);
        var info = await lane.RunAsync(
            async (connection, token) => await new SchemaLook(connection, database.Provider).HasTableAsync(table, token)
                .ConfigureAwait(false) ? await InfoAsync(connection, table, [], token).ConfigureAwait(false) : null,
            ct).ConfigureAwait(false);
        if (info is not null)
        {
            _tables[table] = info;   // loads go by it
        }

        return info;
    }

    protected async Task<IReadOnlyList<string>> DescribeAsync(SqlDatabase database, string table, CancellationToken ct)
    {
        var lane = new SqlLane(database, BlocksItsThread);
        await using var _ = lane.ConfigureAwait(false);
        return await lane.RunAsync((connection, token) => DescribeAsync(connection, table, token), ct).ConfigureAwait(false);
    }

    protected string Quote(string name) => _database.QuoteIdentifier(name);

    /// <summary>
    /// A sum that stays at the largest number instead of overflowing, which would fail the whole commit, again and again.
    /// </summary>
    protected static string Saturated(string least, string greatest, string old, string added) =>
        $"{least}({old}, 9223372036854775807 - {greatest}({added}, 0)) + {added}";

    protected static CounterAmounts Amounts(DbDataReader reader, int first) =>
        new(reader.GetInt64(first), reader.GetInt64(first + 1), reader.GetInt64(first + 2), reader.GetInt64(first + 3));

    /// <summary>Names a loaded row as its callers asked for it.</summary>
    protected static void AddLoaded(List<CounterRow> rows, IEnumerable<string> names, string time, CounterAmounts total)
    {
        foreach (var name in names)
        {
            rows.Add(new CounterRow(name, time, total));
        }
    }

    /// <summary>Asked-for names by stored key: several may share a row where the table ignores case.</summary>
    private static Dictionary<CounterTimeRange, Dictionary<string, List<string>>> NamesByStoredKey(
        IEnumerable<CounterLoad> loads, CounterTableInfo table)
    {
        var names = new Dictionary<CounterTimeRange, Dictionary<string, List<string>>>();
        foreach (var load in loads)
        {
            if (!names.TryGetValue(load.Times, out var keys))
            {
                names.Add(load.Times, keys = new Dictionary<string, List<string>>(StringComparer.Ordinal));
            }

            var key = CounterKeyText.ForTable(load.Key, table);
            if (!keys.TryGetValue(key, out var asked))
            {
                keys.Add(key, [load.Key]);
            }
            else if (!asked.Contains(load.Key))
            {
                asked.Add(load.Key);
            }
        }

        return names;
    }

    private static void CheckName(string table)
    {
        if (CounterTableName.Check(table) is { } error)
        {
            throw new ArgumentException(error, nameof(table));
        }
    }

    private CounterTableInfo InfoOf(string table)
    {
        if (_tables.TryGetValue(table, out var info))
        {
            return info;
        }

        CheckName(table);
        return DefaultInfo(table);
    }

    /// <summary>A table that has gone, or never came to be, is made at the next attempt.</summary>
    private async Task<T> WithSchemaAsync<T>(Func<Task<T>> work, CancellationToken ct)
    {
        await EnsureSchemaAsync(ct).ConfigureAwait(false);
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Schema)
        {
            (_schemaIsReady, _fencesAreReady) = (false, false);
            throw;
        }
    }

    private async ValueTask EnsureSchemaAsync(CancellationToken ct)
    {
        if (_schemaIsReady)
        {
            return;
        }

        var upgraded = await PrepareGroupAsync(OwnTableGroup.Counters, ct).ConfigureAwait(false);
        if (upgraded.Count > 0)
        {
            Interlocked.Exchange(ref _upgraded, upgraded);
        }

        _schemaIsReady = true;
    }

    private async ValueTask EnsureFencesAsync(CancellationToken ct)
    {
        if (_database.Provider == SqlProvider.SQLite)
        {
            throw new NotSupportedException("a SQLite file is one machine's: it has no members of a cluster");
        }

        if (!_fencesAreReady)
        {
            await PrepareGroupAsync(OwnTableGroup.Nodes, ct).ConfigureAwait(false);
            _fencesAreReady = true;
        }
    }

    private Task<IReadOnlyList<string>> PrepareGroupAsync(OwnTableGroup group, CancellationToken ct) => Writer.RunAsync(
        async (connection, token) =>
        {
            try
            {
                await BeforeSchemaAsync(connection, token).ConfigureAwait(false);
                return await OwnSchema.PrepareAsync(connection, _database, group, token).ConfigureAwait(false);
            }
            catch (NewerSchemaException newer)
            {
                throw new CounterStoreException(CounterStoreFailure.Schema, newer.Message, newer);
            }
        },
        ct);

    // One range of the primary key for each node that is known, and one for each gap between them: no database has to read
    // the rows of its own node, which are nearly all, to find the few of others.
    private string SinceQuery(DbCommand command, DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen)
    {
        var select = $"SELECT node, seq, at, ids, format FROM {Commits} WHERE ";
        command.Bind("@since", since.ToUnixTimeMilliseconds());
        var nodes = seen.Select(s => (Node: s.Key.ToString("N"), Sequence: s.Value)).OrderBy(n => n.Node, StringComparer.Ordinal).ToList();
        var parts = new List<string>();
        for (var i = 0; i < nodes.Count; i++)
        {
            command.Bind("@n" + i, nodes[i].Node);
            parts.Add(select + (i == 0 ? "" : $"node > @n{i - 1} AND ") + $"node < @n{i} AND at >= @since");
            if (nodes[i].Sequence != long.MaxValue)
            {
                command.Bind("@s" + i, nodes[i].Sequence);
                parts.Add(select + $"node = @n{i} AND seq > @s{i}");
            }
        }

        parts.Add(select + (nodes.Count == 0 ? "" : $"node > @n{nodes.Count - 1} AND ") + "at >= @since");
        return string.Join(" UNION ALL ", parts) + " ORDER BY at, node, seq";
    }

    private async Task<List<CounterRowId>> PageAsync(DbConnection connection, string table, CounterRowId? after, CancellationToken ct)
    {
        var (key, time) = (Quote("key"), Quote("time"));
        using var command = connection.CreateCommand();
        command.CommandText =
            $"SELECT {key}, {time} FROM "
                + $"{Quote(table)}{(after is null ? "" : $" WHERE {key} >= @key AND ({key} > @key OR {time} > @time)")} ORDER BY "
                + $"{key}, {time} LIMIT {PurgePage}";
        if (after is { } row)
        {
            command.Bind("@key", row.Key);
            command.Bind("@time", row.Time);
        }

        var page = new List<CounterRowId>(PurgePage);
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            page.Add(new CounterRowId(reader.GetString(0), reader.GetString(1)));
        }

        return page;
    }

    private async Task<long> DeleteAsync(DbConnection connection, string table, List<CounterRowId> rows, CancellationToken ct)
    {
        var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
        await using var _ = transaction.ConfigureAwait(false);
        var deleted = 0L;
        foreach (var sameTime in rows.GroupBy(r => r.Time, StringComparer.Ordinal))
        {
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.Bind("@time", sameTime.Key);
            var names = sameTime.Select((r, i) => command.Bind("@k" + i, r.Key).ParameterName).ToList();
            command.CommandText =
                $"DELETE FROM {Quote(table)} WHERE {Quote("time")} = @time AND {Quote("key")} IN ({string.Join(',', names)})";
            deleted += await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        OnRowsDeleted();
        return deleted;
    }

    private async Task<IReadOnlyList<CounterRow>> ListAsync(
        DbConnection connection, string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct)
    {
        var (key, time) = (Quote("key"), Quote("time"));
        using var command = connection.CreateCommand();
        command.CommandTimeout = 0;
        var tail = $" ORDER BY {Metrics[(int)order]} DESC, {key}, {time} LIMIT {Math.Max(0, limit)}";
        if (times is { } range && range.From != range.To)
        {
            command.Bind("@from", range.From);
            command.Bind("@to", range.To);
            var sums = string.Join(", ", Metrics.Select(m => $"{SumOf(m)} AS {m}"));
            command.CommandText =
                $"SELECT * FROM (SELECT {key}, MAX({time}) AS {time}, {sums} FROM {Quote(table)} WHERE {time} BETWEEN @from "
                    + $"AND @to GROUP BY {key}) AS sums"
                    + tail;
        }
        else
        {
            command.CommandText = $"SELECT {key}, {time}, {Columns} FROM {Quote(table)}{(times is null ? "" : $" WHERE {time} = @from")}"
                + tail;
            if (times is { } one)
            {
                command.Bind("@from", one.From);
            }
        }

        var rows = new List<CounterRow>();
        var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        await using var _ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            var window = times is { } asked ? asked.To : reader.GetString(1);
            rows.Add(new CounterRow(reader.GetString(0), window, Amounts(reader, 2)));
        }

        return rows;
    }

    private string SumOf(string column) => _database.Provider switch
    {
        // Its SUM fails where it overflows. No window has more than 61 rows of a key.
        SqlProvider.SQLite => $"SUM(MIN({column}, {long.MaxValue / 64}))",
        SqlProvider.PostgreSQL => $"LEAST(SUM({column}), 9223372036854775807)::bigint",
        _ => $"CAST(LEAST(SUM({column}), 9223372036854775807) AS SIGNED)",
    };
}
