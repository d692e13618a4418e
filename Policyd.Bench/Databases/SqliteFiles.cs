using Microsoft.Data.Sqlite;

namespace Policyd.Bench.Databases;

/// <summary>SQLite has no server: each database is a file.</summary>
internal sealed class SqliteFiles : IDatabaseServer
{
    public Task<CountingDatabase> CreateAsync(string directory, CancellationToken cancellation)
    {
        var file = Path.Combine(directory, "counters.db");
        var connection = new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ConnectionString;
        return Task.FromResult(new CountingDatabase(
            $"module = Sql, dsn = \"Data Source={file}\", provider = SQLite",
            $"dsn = \"dbi:SQLite:dbname={file}\"",
            () => new SqliteConnection(connection),
            "SELECT name FROM sqlite_master WHERE type = 'table'"));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
