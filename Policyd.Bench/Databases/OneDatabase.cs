namespace Policyd.Bench.Databases;

/// <summary>One database for all servers that are started with it.</summary>
internal sealed class OneDatabase(CountingDatabase database) : IDatabaseServer
{
    public Task<CountingDatabase> CreateAsync(string directory, CancellationToken cancellation) => Task.FromResult(database);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
