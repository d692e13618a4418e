using Policyd.Plugins.Api;
using Policyd.Plugins.Caches;

namespace Policyd.Plugins.Services;

/// <summary>
/// The caches in memory, one for each name: no plugin takes another's place in them. A plugin that a reload makes anew goes on with the
/// cache of the one before it. A cache that no plugin has any more is forgotten.
/// </summary>
/// <param name="clock">The clock.</param>
internal sealed class MemoryCaches(TimeProvider clock) : IOutlivesReload, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, WeakReference<MemoryValueCache>> _byName = new(StringComparer.Ordinal);

    /// <summary>The cache of a name.</summary>
    public MemoryValueCache Of(string name)
    {
        lock (_lock)
        {
            foreach (var gone in _byName.Where(static one => !one.Value.TryGetTarget(out _)).Select(static one => one.Key).ToList())
            {
                _byName.Remove(gone);
            }

            if (!_byName.TryGetValue(name, out var kept) || !kept.TryGetTarget(out var cache))
            {
                cache = new MemoryValueCache(clock);
                _byName[name] = new WeakReference<MemoryValueCache>(cache);
            }

            return cache;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
