using Policyd.Plugins.Caches;

namespace Policyd.Plugins.Testing;

/// <summary>
/// A cache server of a test, in memory: values go by the clock of the first test that uses it. What a plugin keeps in <c>memory</c> is not
/// in it.
/// </summary>
public sealed class FakeCache
{
    private MemoryValueCache? _values;

    /// <summary>Whether the server is away: every call fails with a <see cref="CacheException"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>How many values there are.</summary>
    public int Count => _values?.Size.Entries ?? 0;

    internal IValueCache At(TimeProvider clock) => new Connection(this, _values ??= new MemoryValueCache(clock));

    private sealed class Connection(FakeCache server, MemoryValueCache values) : IValueCache
    {
        public ValueTask<byte[]?> GetAsync(string key, CancellationToken ct) => Reached().GetAsync(key, ct);

        public ValueTask SetAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct) =>
            Reached().SetAsync(key, value, life, ct);

        public ValueTask<bool> AddAsync(string key, ReadOnlyMemory<byte> value, TimeSpan life, CancellationToken ct) =>
            Reached().AddAsync(key, value, life, ct);

        public ValueTask<bool> DeleteAsync(string key, CancellationToken ct) => Reached().DeleteAsync(key, ct);

        private MemoryValueCache Reached() => server.IsAway ? throw new CacheException("the test's cache is away") : values;
    }
}
