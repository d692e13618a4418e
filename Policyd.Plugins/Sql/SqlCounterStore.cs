using System.Data.Common;
using System.Globalization;
using System.Text;
using Policyd.Plugins.Counters;

namespace Policyd.Plugins.Sql;

/// <summary>
/// The counter tables of a SQL database. What is common stands here: the order of a commit, the merging of deltas, what a failure
/// means. A provider adds its statements. One commit runs at a time; loads and lists have connections of their own.
/// </summary>
internal abstract class SqlCounterStore(SqlDatabase database) : ICounterStore
{
    /// <summary>No statement names more rows than this: every database has a bound on parameters.</summary>
    protected const int RowsOfAStatement = 300;

    private const int IdBytes = 16;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly Dictionary<string, CounterTableInfo> _tables = [];
    private DbConnection? _writer;
    private bool _commitsTable;

    protected SqlDatabase Database { get; } = database;

    /// <summary>The columns of a counter in the order of every statement.</summary>
    protected static string[] Sums => ["count", "count_rcpt", "size", "size_rcpt"];

    public async Task<CounterTableInfo> PrepareAsync(string table, CancellationToken ct)
    {
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var connection = await WriterAsync(ct).ConfigureAwait(false);
            await EnsureCommitsAsync(connection, ct).ConfigureAwait(false);
            var info = await TakeOverAsync(connection, table, ct).ConfigureAwait(false);
            _tables[table] = info;
            return info;
        }
        catch (Exception exception) when (exception is DbException or IOException)
        {
            throw await FailedAsync(exception).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    public Task<IReadOnlyList<string>> DescribePreparationAsync(string table, CancellationToken ct) =>
        ReadAsync(connection => DescribeAsync(connection, table, ct), ct);

    public Task<IReadOnlyList<CounterRow>> LoadAsync(string table, IReadOnlyCollection<CounterLoad> loads, CancellationToken ct) =>
        ReadAsync<IReadOnlyList<CounterRow>>(
            async connection =>
            {
                var rows = new List<CounterRow>();
                foreach (var chunk in loads.Chunk(RowsOfAStatement))
                {
                    await LoadChunkAsync(connection, table, chunk, rows, ct).ConfigureAwait(false);
                }

                return rows;
            },
            ct);

    public async Task<IReadOnlyList<(string Table, CounterRow Row)>> CommitAsync(CounterCommit commit, CancellationToken ct)
    {
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        var committing = false;
        try
        {
            var connection = await WriterAsync(ct).ConfigureAwait(false);
            await EnsureCommitsAsync(connection, ct).ConfigureAwait(false);
            await using var transaction = await BeginAsync(connection, ct).ConfigureAwait(false);
            await RecordAsync(connection, transaction, commit, ct).ConfigureAwait(false);
            var totals = new List<(string Table, CounterRow Row)>(commit.Deltas.Count);
            foreach (var (table, changes) in RowChange.Merge(commit.Deltas, Stored))
            {
                totals.AddRange((await WriteAsync(connection, transaction, table, changes, ct).ConfigureAwait(false)).Select(row => (table, row)));
            }

            committing = true;
            await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
            return totals;
        }
        catch (Exception exception) when (exception is DbException or IOException)
        {
            var failure = await FailedAsync(exception).ConfigureAwait(false);
            throw committing && failure.Failure == CounterStoreFailure.Unavailable
                ? new CounterStoreException(CounterStoreFailure.CommitUnknown, failure.Message, exception)
                : failure;
        }
        finally
        {
            _writing.Release();
        }
    }

    public Task<bool> IsCommittedAsync(Guid node, long sequence, CancellationToken ct) =>
        ReadAsync(
            async connection =>
            {
                await using var command = Command(connection, $"SELECT 1 FROM {Quote(CounterTableName.Commits)} WHERE node = @node AND seq = @seq");
                command.Bind("@node", node.ToString("N"));
                command.Bind("@seq", sequence);
                return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is not null;
            },
            ct);

    public Task<IReadOnlyList<CommittedIds>> RequestIdsSinceAsync(DateTimeOffset since, IReadOnlyDictionary<Guid, long> seen, CancellationToken ct) =>
        ReadAsync<IReadOnlyList<CommittedIds>>(
            async connection =>
            {
                var known = seen.Keys.ToArray();
                var sql = new StringBuilder($"SELECT node, seq, at, ids FROM {Quote(CounterTableName.Commits)} WHERE (at >= @since");
                for (var index = 0; index < known.Length; index++)
                {
                    sql.Append(CultureInfo.InvariantCulture, $" AND node <> @n{index}");
                }

                sql.Append(')');
                for (var index = 0; index < known.Length; index++)
                {
                    sql.Append(CultureInfo.InvariantCulture, $" OR (node = @n{index} AND seq > @s{index})");
                }

                await using var command = Command(connection, sql.ToString());
                command.Bind("@since", since.ToUnixTimeMilliseconds());
                for (var index = 0; index < known.Length; index++)
                {
                    command.Bind($"@n{index}", known[index].ToString("N"));
                    command.Bind($"@s{index}", seen[known[index]]);
                }

                var commits = new List<CommittedIds>();
                await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
                while (await reader.ReadAsync(ct).ConfigureAwait(false))
                {
                    commits.Add(new CommittedIds(
                        Guid.ParseExact(reader.GetString(0), "N"),
                        reader.GetInt64(1),
                        DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(2)),
                        ReadIds(reader.GetFieldValue<byte[]>(3))));
                }

                return commits;
            },
            ct,
            needsCommits: true);

    public Task<long> PurgeWindowsAsync(string table, Func<string, bool> isOld, CancellationToken ct) =>
        ReadAsync(
            async connection =>
            {
                var times = new List<string>();
                await using (var command = Command(connection, $"SELECT DISTINCT {Quote("time")} FROM {Quote(table)}"))
                await using (var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false))
                {
                    while (await reader.ReadAsync(ct).ConfigureAwait(false))
                    {
                        times.Add(reader.GetString(0));
                    }
                }

                var purged = 0L;
                foreach (var time in times.Where(isOld))
                {
                    purged += await DeletePagesAsync(connection, table, $"{Quote("time")} = @value", time, ct).ConfigureAwait(false);
                }

                return purged;
            },
            ct);

    public Task<long> PurgeRequestIdsAsync(DateTimeOffset before, CancellationToken ct) =>
        ReadAsync(
            async connection =>
            {
                await using var command = Command(connection, $"DELETE FROM {Quote(CounterTableName.Commits)} WHERE at < @before");
                command.Bind("@before", before.ToUnixTimeMilliseconds());
                return (long)await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            },
            ct,
            needsCommits: true);

    public Task<IReadOnlyList<CounterRow>> ListAsync(string table, CounterTimeRange? times, CounterMetric order, int limit, CancellationToken ct) =>
        ReadAsync<IReadOnlyList<CounterRow>>(
            async connection =>
            {
                var metric = Quote(Sums[(int)order]);
                var columns = string.Join(", ", Sums.Select(Quote));
                var sql = times is null
                    ? $"SELECT {Quote("key")}, {Quote("time")}, {columns} FROM {Quote(table)} ORDER BY {metric} DESC, {Quote("key")} LIMIT @limit"
                    : $"SELECT {Quote("key")}, @to, {string.Join(", ", Sums.Select(sum => $"{SumOf(Quote(sum))} AS {Quote(sum)}"))} FROM {Quote(table)} "
                        + $"WHERE {Quote("time")} >= @from AND {Quote("time")} <= @to GROUP BY {Quote("key")} ORDER BY {SumOf(metric)} DESC, {Quote("key")} LIMIT @limit";
                await using var command = Command(connection, sql);
                command.Bind("@limit", limit);
                if (times is { } range)
                {
                    command.Bind("@from", range.From);
                    command.Bind("@to", range.To);
                }

                var rows = new List<CounterRow>();
                await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
                while (await reader.ReadAsync(ct).ConfigureAwait(false))
                {
                    rows.Add(new CounterRow(reader.GetString(0), reader.GetString(1), ReadSums(reader, 2)));
                }

                return rows;
            },
            ct);

    public async ValueTask DisposeAsync()
    {
        await _writing.WaitAsync().ConfigureAwait(false);
        if (_writer is not null)
        {
            await _writer.DisposeAsync().ConfigureAwait(false);
        }

        _writing.Dispose();
    }

    /// <summary>Creates the table of commits.</summary>
    protected abstract Task CreateCommitsAsync(DbConnection connection, CancellationToken ct);

    /// <summary>Creates a counter table, or makes an existing one fit.</summary>
    protected abstract Task<CounterTableInfo> TakeOverAsync(DbConnection connection, string table, CancellationToken ct);

    /// <summary>What <see cref="TakeOverAsync"/> would do.</summary>
    protected abstract Task<IReadOnlyList<string>> DescribeAsync(DbConnection connection, string table, CancellationToken ct);

    /// <summary>Writes the changes of one table, in the order of their rows, and reads the new totals.</summary>
    protected abstract Task<IReadOnlyList<CounterRow>> WriteAsync(
        DbConnection connection, DbTransaction transaction, string table, IReadOnlyList<RowChange> changes, CancellationToken ct);

    /// <summary>Deletes rows in pages.</summary>
    protected abstract Task<long> DeletePagesAsync(DbConnection connection, string table, string condition, string value, CancellationToken ct);

    /// <summary>Begins the writing transaction.</summary>
    protected virtual ValueTask<DbTransaction> BeginAsync(DbConnection connection, CancellationToken ct) => connection.BeginTransactionAsync(ct);

    /// <summary>A sum over rows as a 64-bit number.</summary>
    protected virtual string SumOf(string column) => $"SUM({column})";

    protected string Quote(string name) => Database.QuoteIdentifier(name);

    /// <summary>A key as its column holds it.</summary>
    protected string Stored(string table, string key)
    {
        var info = _tables.GetValueOrDefault(table);
        return CounterKeyText.Fit(key, info?.MaxKeyLength ?? CounterKeyText.MaxLength, info?.Repertoire ?? TextRepertoire.Unicode);
    }

    protected static DbCommand Command(DbConnection connection, string sql, DbTransaction? transaction = null)
    {
        var command = connection.CreateCommand();
#pragma warning disable CA2100 // Identifiers in the text are quoted, table names are checked by CounterTableName, values are bound.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = transaction;
        return command;
    }

    protected static async Task ExecuteAsync(DbConnection connection, string sql, CancellationToken ct, DbTransaction? transaction = null)
    {
        await using var command = Command(connection, sql, transaction);
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    protected static CounterAmounts ReadSums(DbDataReader reader, int first) => new(
        ReadSum(reader, first), ReadSum(reader, first + 1), ReadSum(reader, first + 2), ReadSum(reader, first + 3));

    /// <summary>An INT UNSIGNED, a BIGINT or a DECIMAL of a SUM: all end as a long, saturating.</summary>
    private static long ReadSum(DbDataReader reader, int column) => reader.GetValue(column) switch
    {
        long number => number,
        ulong number => (long)Math.Min(number, long.MaxValue),
        decimal number => (long)Math.Clamp(number, long.MinValue, long.MaxValue),
        double number => number >= long.MaxValue ? long.MaxValue : (long)number,
        DBNull => 0,
        var number => Convert.ToInt64(number, CultureInfo.InvariantCulture),
    };

    private async Task LoadChunkAsync(DbConnection connection, string table, CounterLoad[] loads, List<CounterRow> rows, CancellationToken ct)
    {
        var sql = new StringBuilder($"SELECT {Quote("key")}, {Quote("time")}, {string.Join(", ", Sums.Select(Quote))} FROM {Quote(table)} WHERE ");
        await using var command = Command(connection, string.Empty);
        var asked = new Dictionary<string, string>(loads.Length);
        for (var index = 0; index < loads.Length; index++)
        {
            var load = loads[index];
            var stored = Stored(table, load.Key);
            asked[stored] = load.Key;
            sql.Append(index == 0 ? string.Empty : " OR ")
                .Append(CultureInfo.InvariantCulture, $"({Quote("key")} = @k{index} AND {Quote("time")} ")
                .Append(load.Times.From == load.Times.To
                    ? string.Create(CultureInfo.InvariantCulture, $"= @f{index})")
                    : string.Create(CultureInfo.InvariantCulture, $">= @f{index} AND {Quote("time")} <= @t{index})"));
            command.Bind($"@k{index}", stored);
            command.Bind($"@f{index}", load.Times.From);
            if (load.Times.From != load.Times.To)
            {
                command.Bind($"@t{index}", load.Times.To);
            }
        }

#pragma warning disable CA2100 // as in Command
        command.CommandText = sql.ToString();
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            var stored = reader.GetString(0);
            rows.Add(new CounterRow(asked.GetValueOrDefault(stored, stored), reader.GetString(1), ReadSums(reader, 2)));
        }
    }

    private async Task RecordAsync(DbConnection connection, DbTransaction transaction, CounterCommit commit, CancellationToken ct)
    {
        await using var command = Command(connection, $"INSERT INTO {Quote(CounterTableName.Commits)} (node, seq, at, ids) VALUES (@node, @seq, @at, @ids)", transaction);
        command.Bind("@node", commit.Node.ToString("N"));
        command.Bind("@seq", commit.Sequence);
        command.Bind("@at", commit.At.ToUnixTimeMilliseconds());
        command.Bind("@ids", WriteIds(commit.RequestIds));
        try
        {
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }
        catch (DbException exception) when (Database.Classify(exception).Duplicate)
        {
            throw new CounterStoreException(CounterStoreFailure.AlreadyCommitted, $"{Database.Description}: commit {commit.Sequence} is there already", exception);
        }
    }

    private async Task<DbConnection> WriterAsync(CancellationToken ct) =>
        _writer ??= await Database.OpenAsync(ct).ConfigureAwait(false);

    private async Task EnsureCommitsAsync(DbConnection connection, CancellationToken ct)
    {
        if (!_commitsTable)
        {
            await CreateCommitsAsync(connection, ct).ConfigureAwait(false);
            _commitsTable = true;
        }
    }

    private async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken ct, bool needsCommits = false)
    {
        try
        {
            await using var connection = await Database.OpenAsync(ct).ConfigureAwait(false);
            if (needsCommits)
            {
                await EnsureCommitsAsync(connection, ct).ConfigureAwait(false);
            }

            return await read(connection).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or IOException)
        {
            throw Explain(exception);
        }
    }

    /// <summary>After a failure the writer's connection is not trusted any more.</summary>
    private async Task<CounterStoreException> FailedAsync(Exception exception)
    {
        if (_writer is { } writer)
        {
            _writer = null;
            await writer.DisposeAsync().ConfigureAwait(false);
        }

        var explained = Explain(exception);
        _commitsTable &= explained.Failure != CounterStoreFailure.Schema;
        return explained;
    }

    private CounterStoreException Explain(Exception exception)
    {
        var fault = Database.Classify(exception);
        return new CounterStoreException(fault.Failure, $"{Database.Description}: {fault.Message}", exception);
    }

    private static byte[] WriteIds(IReadOnlyList<UInt128> ids)
    {
        var bytes = new byte[ids.Count * IdBytes];
        for (var index = 0; index < ids.Count; index++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(index * IdBytes), ids[index]);
        }

        return bytes;
    }

    private static UInt128[] ReadIds(byte[] bytes)
    {
        var ids = new UInt128[bytes.Length / IdBytes];
        for (var index = 0; index < ids.Length; index++)
        {
            ids[index] = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes.AsSpan(index * IdBytes));
        }

        return ids;
    }
}
