using System.Data.Common;
using System.Globalization;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.SqlCluster;

/// <summary>
/// The members and leases of a cluster in PostgreSQL, MySQL or MariaDB. Times are the database's, so that the clocks of the nodes do not
/// matter. Members and leases have a connection each: a beat that is not answered holds up no decision.
/// </summary>
public sealed class SqlClusterDirectory : IClusterDirectory
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(2);

    private readonly SqlDatabase _database;
    private readonly SqlLane _members;
    private readonly SqlLane _leases;
    private readonly string _now;
    private volatile bool _isPrepared;

    /// <param name="database">The database that all nodes have in common. It stays open.</param>
    public SqlClusterDirectory(SqlDatabase database)
    {
        ArgumentNullException.ThrowIfNull(database);
        if (database.Provider == SqlProvider.SQLite)
        {
            throw new ArgumentException("a SQLite file is one machine's: it has no members of a cluster", nameof(database));
        }

        _database = database;
        _now = new FenceTable(database.Provider).Now;
        (_members, _leases) = (new SqlLane(database, ownThread: false), new SqlLane(database, ownThread: false));
    }

    private bool IsPostgres => _database.Provider == SqlProvider.PostgreSQL;

    /// <inheritdoc/>
    public Task<IReadOnlyList<MemberRow>> ReadAsync(CancellationToken ct) => RunAsync<IReadOnlyList<MemberRow>>(
        _members,
        async (connection, token) =>
        {
            using var command = connection.Command("SELECT member, address, beat FROM policyd_members ORDER BY member");
            var members = new List<MemberRow>();
            var reader = await command.ExecuteReaderAsync(token).ConfigureAwait(false);
            await using var _ = reader.ConfigureAwait(false);
            while (await reader.ReadAsync(token).ConfigureAwait(false))
            {
                members.Add(new MemberRow(reader.GetString(0), reader.GetString(1), reader.GetInt64(2)));
            }

            return members;
        },
        ct);

    /// <inheritdoc/>
    public async Task<bool> EnterAsync(MemberRow member, string? lease, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(member);
        var values = $"@member, @address, @beat, {_now}";
        var row = lease is null
            ? $"VALUES ({values})"
            : $"SELECT {values} FROM policyd_leases WHERE name = @lease AND owner = @member AND expires > {_now} "
                + (IsPostgres ? "FOR SHARE" : "LOCK IN SHARE MODE");
        var clause = IsPostgres
            ? "ON CONFLICT (member) DO UPDATE SET address = excluded.address, at = excluded.at"
            : "ON DUPLICATE KEY UPDATE address = VALUES(address), at = VALUES(at)";
        return await ExecuteAsync(
            _members,
            $"INSERT INTO policyd_members (member, address, beat, at) {row} {clause}",
            ct,
            [
                ("@member", member.Member), ("@address", member.Address), ("@beat", member.Beat),
                .. lease is null ? [] : new (string, object?)[] { ("@lease", lease) },
            ]).ConfigureAwait(false) > 0;
    }

    /// <inheritdoc/>
    public async Task<bool> BeatAsync(string member, CancellationToken ct) => await ExecuteAsync(
        _members, $"UPDATE policyd_members SET beat = beat + 1, at = {_now} WHERE member = @member", ct, ("@member", member))
        .ConfigureAwait(false) > 0;

    /// <inheritdoc/>
    public async Task RemoveAsync(IReadOnlyCollection<string> members, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(members);
        if (members.Count > 0)
        {
            (string Name, object? Value)[] values = [.. members.Select(
                static (member, number) => ("@m" + number.ToString(CultureInfo.InvariantCulture), (object?)member))];
            var names = string.Join(", ", values.Select(static value => value.Name));
            await ExecuteAsync(_members, $"DELETE FROM policyd_members WHERE member IN ({names})", ct, values).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public Task<bool> TryTakeLeaseAsync(string name, string owner, TimeSpan lasts, CancellationToken ct) => RunAsync(
        _leases,
        async (connection, token) =>
        {
            // MySQL sets one column after the other: whether it was taken is known by the owner from then on.
            var take = $"INSERT INTO policyd_leases (name, owner, expires) VALUES (@name, @owner, {_now} + @lasts) "
                + (IsPostgres
                    ? "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires "
                        + $"WHERE policyd_leases.owner = excluded.owner OR policyd_leases.expires <= {_now}"
                    : $"ON DUPLICATE KEY UPDATE owner = IF(owner = VALUES(owner) OR expires <= {_now}, VALUES(owner), owner), "
                        + "expires = IF(owner = VALUES(owner), VALUES(expires), expires)");
            using var command = connection.Command(
                take, ("@name", name), ("@owner", owner), ("@lasts", (long)lasts.TotalMilliseconds));
            await command.ExecuteNonQueryAsync(token).ConfigureAwait(false);
            return await OwnerAsync(connection, name, token).ConfigureAwait(false) == owner;
        },
        ct);

    /// <inheritdoc/>
    public Task ReleaseLeaseAsync(string name, string owner, CancellationToken ct) => ExecuteAsync(
        _leases, "DELETE FROM policyd_leases WHERE name = @name AND owner = @owner", ct, ("@name", name), ("@owner", owner));

    /// <inheritdoc/>
    public Task<string?> LeaseOwnerAsync(string name, CancellationToken ct) =>
        RunAsync(_leases, (connection, token) => OwnerAsync(connection, name, token), ct);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _members.DisposeAsync().ConfigureAwait(false);
        await _leases.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<string?> OwnerAsync(DbConnection connection, string name, CancellationToken ct)
    {
        using var command = connection.Command(
            $"SELECT owner FROM policyd_leases WHERE name = @name AND expires > {_now}", ("@name", name));
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) as string;
    }

    private Task<int> ExecuteAsync(
        SqlLane lane, string sql, CancellationToken ct, params (string Name, object? Value)[] values) => RunAsync(
        lane,
        async (connection, token) =>
        {
            using var command = connection.Command(sql, values);
            return await command.ExecuteNonQueryAsync(token).ConfigureAwait(false);
        },
        ct);

    private async Task<T> RunAsync<T>(SqlLane lane, Func<DbConnection, CancellationToken, Task<T>> work, CancellationToken ct)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(s_timeout);
        try
        {
            return await lane.RunAsync(
                async (connection, token) =>
                {
                    await PrepareAsync(connection, token).ConfigureAwait(false);
                    return await work(connection, token).ConfigureAwait(false);
                },
                deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new CounterStoreException(
                CounterStoreFailure.Unavailable, $"{_database.Description}: no answer within {s_timeout.TotalSeconds} s", e);
        }
        catch (CounterStoreException e) when (e.Failure == CounterStoreFailure.Schema)
        {
            // A table that has gone is made again at the next attempt.
            _isPrepared = false;
            throw;
        }
    }

    private async Task PrepareAsync(DbConnection connection, CancellationToken ct)
    {
        if (_isPrepared)
        {
            return;
        }

        try
        {
            await OwnSchema.PrepareAsync(connection, _database, OwnTableGroup.Cluster, ct).ConfigureAwait(false);
        }
        catch (NewerSchemaException newer)
        {
            throw new CounterStoreException(CounterStoreFailure.Schema, newer.Message, newer);
        }

        _isPrepared = true;
    }
}
