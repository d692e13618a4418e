using Policyd.Plugins.Caches;

namespace Policyd.Engine.Replaying;

/// <summary>What plugins keep in caches, in memory: it is that of the replay alone.</summary>
internal sealed class ReplayedCaches(TimeProvider clock) : IAsyncDisposable
{
    private readonly Dictionary<string, MemoryValueCache> _byConnection = new(StringComparer.Ordinal);

    public IValueCache Of(string connection)
    {
        if (!_byConnection.TryGetValue(connection, out var cache))
        {
            _byConnection.Add(connection, cache = new MemoryValueCache(clock));
        }

        return cache;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
