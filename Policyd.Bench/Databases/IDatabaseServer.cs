namespace Policyd.Bench.Databases;

/// <summary>The kinds of database that counters can be kept in.</summary>
public enum DatabaseKind
{
    Sqlite,
    PostgreSql,
    MariaDb,
}

/// <summary>A database server that this program has started, with its default durability, and ends.</summary>
public interface IDatabaseServer : IAsyncDisposable
{
    /// <summary>A fresh, empty database.</summary>
    /// <param name="directory">Where it may keep files of its own.</param>
    Task<CountingDatabase> CreateAsync(string directory, CancellationToken cancellation);
}

/// <summary>Starts a real server of each kind on a free port, with its files in a folder.</summary>
public static class DatabaseServers
{
    /// <exception cref="InvalidOperationException">The server is not installed, or does not start; the message says why.</exception>
    public static async Task<IDatabaseServer> StartAsync(DatabaseKind kind, string directory, CancellationToken cancellation) => kind switch
    {
        DatabaseKind.Sqlite => new SqliteFiles(),
        DatabaseKind.PostgreSql => await PostgresServer.StartAsync(directory, cancellation).ConfigureAwait(false),
        DatabaseKind.MariaDb => await MariaDbServer.StartAsync(directory, cancellation).ConfigureAwait(false),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such kind of database."),
    };
}
