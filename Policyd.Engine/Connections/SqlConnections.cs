using Policyd.Backends.Schema;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCluster;
using Policyd.Backends.SqlCounters;
using Policyd.Backends.SqlDecisions;
using Policyd.Counting.Clustering;
using Policyd.Counting.Store;
using Policyd.Plugins.Sql;

namespace Policyd.Engine.Connections;

/// <summary>
/// The SQL connections of a configuration. Each database and each counter store is made once, when somebody first asks for it, and
/// connects when it is first used: a database that is away does not keep the server from starting.
/// </summary>
public sealed class SqlConnections : IAsyncDisposable
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    private const string Decisions = "decisions";

    /// <summary>Whether the server makes the folder of a SQLite file: only for those of the default configuration.</summary>
    /// <param name="file">The file, as a full path.</param>
    public static bool MakesFolderOf(string file) =>
        file == Path.GetFullPath(SqliteDatabase.DefaultFile)
        || file == Path.GetFullPath(SqliteDatabase.FileBeside(SqliteDatabase.DefaultFile, Decisions));

    /// <summary>The names of the connections.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Whether there is a SQL connection of that name.</summary>
    public bool Contains(string name) => _entries.ContainsKey(name);

    /// <summary>The database of a connection.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public SqlDatabase Database(string name) => _entries[name].Database.Value;

    /// <summary>What its driver connects with, the password included: not for any eye.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public string ConnectionString(string name) => _entries[name].Settings;

    /// <summary>The file that a connection of SQLite writes to; null for another database, and for one that is only read.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public string? WrittenFile(string name) =>
        Database(name).Provider == SqlProvider.SQLite ? SqliteDatabase.WrittenFile(_entries[name].Settings) : null;

    /// <summary>The counter tables of a connection.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public ICounterStore CounterStore(string name) => _entries[name].Store.Value;

    /// <summary>The members of a cluster in a connection's database, for one life of a member.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public IClusterDirectory ClusterDirectory(string name) => new SqlClusterDirectory(Database(name));

    /// <summary>The history of decisions in a connection's database; on SQLite in a file beside it. Whoever asks disposes it.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public SqlDecisionStore DecisionStore(string name) =>
        new(Database(name) is SqliteDatabase file ? file.Beside(Decisions) : SqlDatabase.Create(_entries[name].Options, name));

    /// <summary>Whether decisions can be kept with a connection.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public bool CanHoldDecisions(string name) => Database(name).Provider != SqlProvider.SQLite || DecisionFile(name) is not null;

    /// <summary>The file that the history of decisions is in; null for another database, and for a connection that is only read.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    public string? DecisionFile(string name) => WrittenFile(name) is { } file ? SqliteDatabase.FileBeside(file, Decisions) : null;

    /// <summary>What a start would do to a group of the server's own tables on a connection; empty when they are ready.</summary>
    /// <exception cref="KeyNotFoundException">There is no such connection.</exception>
    /// <exception cref="SqlAwayException">The database cannot be reached.</exception>
    /// <exception cref="NewerSchemaException">A newer server has changed the tables.</exception>
    public async Task<IReadOnlyList<string>> DescribeOwnTablesAsync(string name, OwnTableGroup tables, CancellationToken ct)
    {
        if (tables != OwnTableGroup.Decisions)
        {
            return await OwnSchema.DescribeAsync(Database(name), tables, ct).ConfigureAwait(false);
        }

        var history = DecisionStore(name);
        await using var _ = history.ConfigureAwait(false);
        return await OwnSchema.DescribeAsync(history.Database, tables, ct).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var name in _entries.Keys)
        {
            await EndAsync(name).ConfigureAwait(false);
        }
    }

    /// <summary>Goes on with a connection of the configuration before this one.</summary>
    internal void Keep(string name, SqlConnections former) => _entries[name] = former._entries[name];

    /// <summary>Whether both have the same connection under the name: one that was kept.</summary>
    internal bool Shares(string name, SqlConnections other) =>
        _entries.TryGetValue(name, out var own) && other._entries.TryGetValue(name, out var others) && ReferenceEquals(own, others);

    /// <summary>Ends a connection.</summary>
    internal async ValueTask EndAsync(string name)
    {
        if (_entries[name].Store is { IsValueCreated: true, Value: var store })
        {
            await store.DisposeAsync().ConfigureAwait(false);
        }

        if (_entries[name].Database is { IsValueCreated: true, Value: var database })
        {
            await database.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal void Add(string name, SqlConnectionOptions options, bool onlyReads)
    {
        var database = new Lazy<SqlDatabase>(() => SqlDatabase.Create(options, name, onlyReads));
        var store = new Lazy<ICounterStore>(() => database.Value.CreateCounterStore());
        _entries[name] = new Entry(options, SqlDatabase.Settings(options), database, store);
    }

    private sealed record Entry(SqlConnectionOptions Options, string Settings, Lazy<SqlDatabase> Database, Lazy<ICounterStore> Store);
}
