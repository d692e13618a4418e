using System.Data.Common;
using System.Globalization;
using Policyd.Bench.Servers;

namespace Policyd.Bench.Databases;

/// <summary>A database server that is a process of its own, on a free port.</summary>
internal abstract class SqlServerProcess(ServerProcess process, int port) : IDatabaseServer
{
    // It prepares its files, and the machine may be busy.
    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(2);

    private int _databases;

    protected int Port { get; } = port;

    public async Task<CountingDatabase> CreateAsync(string directory, CancellationToken cancellation)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"bench{++_databases}");
        using var connection = Connection(AnyDatabase);
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        using var create = connection.CreateCommand();
        create.CommandText = $"CREATE DATABASE {name}";
        await create.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        return Named(name);
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();

    /// <summary>Waits until the server is ready, and does what is to be done then. Ends it when that fails.</summary>
    protected async Task StartedAsync(
        string server, Func<Task<bool>> isReady, Func<Task>? prepare, CancellationToken cancellation)
    {
        try
        {
            await process.WaitUntilAsync(server, isReady, LongestStart, cancellation).ConfigureAwait(false);
            if (prepare is not null)
            {
                await prepare().ConfigureAwait(false);
            }
        }
        catch
        {
            await DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A database that is there from the beginning, or none.</summary>
    protected abstract string AnyDatabase { get; }

    /// <summary>A connection, not open yet.</summary>
    protected abstract DbConnection Connection(string database);

    /// <summary>How servers reach the database.</summary>
    protected abstract CountingDatabase Named(string database);
}
