using System.Globalization;
using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Plugins.Expiring;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Expiring;

/// <summary>
/// In a table of its own, <c>policyd_expiring</c>: shared by all servers on the database, and kept over a restart. A statement each; two
/// servers that add the same key at one time end with one row.
/// </summary>
internal sealed class SqlExpiringStore : IExpiringStore
{
    public const string Table = OwnTableGroup.ExpiringTable;

    private const int NameLength = 255;
    private readonly TimeProvider _clock;
    private readonly SqlTables _tables;
    private readonly SqlQuery _find;
    private readonly SqlQuery _add;
    private readonly SqlQuery _set;
    private readonly SqlQuery _remove;
    private readonly SqlQuery _purge;

    public SqlExpiringStore(SqlDatabase database, TimeProvider clock)
    {
        var isMySql = database.Provider == SqlProvider.MySQL;
        _clock = clock;
        _tables = new SqlTables(
            database,
            connection => OwnSchema.IsThereAsync(connection, database, OwnTableGroup.Expiring, CancellationToken.None),
            connection => OwnSchema.PrepareAsync(connection, database, OwnTableGroup.Expiring, CancellationToken.None));
        _find = _tables.Query("SELECT value FROM policyd_expiring WHERE name = ? AND expires > ?");

        // One that has run out and is not purged yet is written over; one that lives stays.
        _add = _tables.Query(isMySql
            ? "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE value = IF(expires > ?, value, "
                + "VALUES(value)), expires = IF(expires > ?, expires, VALUES(expires))"
            : "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = "
                + "excluded.value, expires = excluded.expires WHERE policyd_expiring.expires <= ?");
        _set = _tables.Query(isMySql
            ? "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE value = "
                + "VALUES(value), expires = VALUES(expires)"
            : "INSERT INTO policyd_expiring (name, value, expires) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = "
                + "excluded.value, expires = excluded.expires");
        _remove = _tables.Query("DELETE FROM policyd_expiring WHERE name = ?");
        _purge = _tables.Query("DELETE FROM policyd_expiring WHERE expires <= ?");
    }

    private static string Name(string key) => SqlKeyText.Of(key, NameLength);

    private long Now => _clock.GetUtcNow().ToUnixTimeSeconds();

    public async ValueTask<long?> FindAsync(string key, CancellationToken ct) =>
        await _tables.ScalarAsync(_find, ct, Name(key), Now).ConfigureAwait(false) is { } value
            ? Convert.ToInt64(value, CultureInfo.InvariantCulture)
            : null;

    public async ValueTask AddAsync(string key, long value, TimeSpan life, CancellationToken ct)
    {
        var now = Now;
        object?[] values = [Name(key), value, now + (long)life.TotalSeconds, now];

        // MySQL's form asks for the time twice.
        await _tables.ExecuteAsync(_add, ct, _add.ParameterCount > values.Length ? [.. values, now] : values).ConfigureAwait(false);
    }

    public async ValueTask SetAsync(string key, long value, TimeSpan life, CancellationToken ct) =>
        await _tables.ExecuteAsync(_set, ct, Name(key), value, Now + (long)life.TotalSeconds).ConfigureAwait(false);

    public async ValueTask RemoveAsync(string key, CancellationToken ct) =>
        await _tables.ExecuteAsync(_remove, ct, Name(key)).ConfigureAwait(false);

    public async ValueTask PurgeAsync(CancellationToken ct) => await _tables.ExecuteAsync(_purge, ct, Now).ConfigureAwait(false);
}
