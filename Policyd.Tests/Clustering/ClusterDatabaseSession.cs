using System.Data.Common;
using System.Globalization;
using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Plugins.Sql;

namespace Policyd.Tests.Clustering;

/// <summary>A test's own connection to the database of a cluster.</summary>
internal sealed class ClusterDatabaseSession : IAsyncDisposable
{
    private readonly SqlDatabase _database;

    private ClusterDatabaseSession(SqlDatabase database, DbConnection connection) => (_database, Connection) = (database, connection);

    public DbConnection Connection { get; }

    public static async Task<ClusterDatabaseSession> Open(string dsn, string user)
    {
        Assert.True(SqlDsn.TryParse(dsn, out var parsed, out var error), error);
        var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = parsed!, User = user, Password = "secret" });
        return new ClusterDatabaseSession(database, await database.OpenAsync(TestContext.Current.CancellationToken));
    }

    public async Task Execute(string sql)
    {
        await using var command = Connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The rows of a query: a text and a number each.</summary>
    public async Task<Dictionary<string, long>> Numbers(string sql)
    {
        await using var command = Connection.CreateCommand();
        command.CommandText = sql;
        var numbers = new Dictionary<string, long>();
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            numbers.Add(reader.GetString(0), Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture));
        }

        return numbers;
    }

    public async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        await _database.DisposeAsync();
    }
}
