using Policyd.Plugins.Connections;

namespace Policyd.Engine.Connections;

/// <summary>The connections of a configuration, each made when somebody first asks for it and shared by all who do.</summary>
public sealed class ServerConnections : IAsyncDisposable
{
    private readonly Dictionary<string, Lazy<IAsyncDisposable>> _byName = new(StringComparer.Ordinal);

    private readonly OwnedParts _owned;

    /// <param name="former">Those of the configuration before this one; null at the start.</param>
    internal ServerConnections(ServerConnections? former = null) => _owned = former?._owned ?? new OwnedParts();

    /// <summary>Those with <c>module = Sql</c>.</summary>
    public SqlConnections Sql { get; } = new();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _byName.Values)
        {
            await EndAsync(connection).ConfigureAwait(false);
        }

        await _owned.DisposeAsync().ConfigureAwait(false);
        await Sql.DisposeAsync().ConfigureAwait(false);
    }

    internal void Add(IConnectionModule module, ConnectionSetup setup) =>
        _byName[setup.Name] = new Lazy<IAsyncDisposable>(() => module.Open(setup));

    /// <summary>Has something that no section names end with the connections.</summary>
    internal T Own<T>(T other)
        where T : IAsyncDisposable => _owned.Add(other);

    /// <summary>Goes on with a connection of the configuration before this one.</summary>
    internal void Keep(string name, ServerConnections former)
    {
        if (former.Sql.Contains(name))
        {
            Sql.Keep(name, former.Sql);
        }
        else
        {
            _byName[name] = former._byName[name];
        }
    }

    /// <summary>Whether both have the same connection under the name: one that was kept.</summary>
    internal bool Shares(string name, ServerConnections other) =>
        Sql.Shares(name, other.Sql)
        || (_byName.TryGetValue(name, out var own) && other._byName.TryGetValue(name, out var others) && ReferenceEquals(own, others));

    /// <summary>Ends what a later configuration has not kept.</summary>
    /// <param name="successor">The connections of that configuration.</param>
    /// <param name="stillUsed">Names of SQL connections that counters go on using.</param>
    internal async ValueTask EndAllButAsync(ServerConnections successor, IReadOnlyCollection<string> stillUsed)
    {
        foreach (var (name, connection) in _byName.Where(one => !Shares(one.Key, successor)))
        {
            await EndAsync(connection).ConfigureAwait(false);
        }

        foreach (var name in Sql.Names.Where(name => !Shares(name, successor) && !stillUsed.Contains(name)))
        {
            await Sql.EndAsync(name).ConfigureAwait(false);
        }
    }

    /// <summary>Ends something that <see cref="Own"/> was told of.</summary>
    internal ValueTask EndAsync(IAsyncDisposable other) => _owned.EndAsync(other);

    /// <summary>The connection of a name; null when there is none or it is of another kind.</summary>
    internal T? Find<T>(string name)
        where T : class => _byName.TryGetValue(name, out var connection) ? connection.Value as T : null;

    private static ValueTask EndAsync(Lazy<IAsyncDisposable> connection) =>
        connection.IsValueCreated ? connection.Value.DisposeAsync() : ValueTask.CompletedTask;

    // One for a server and all of its configurations: what one of them has made, a later one may go on with.
    private sealed class OwnedParts : IAsyncDisposable
    {
        private readonly Lock _lock = new();
        private List<IAsyncDisposable> _parts = [];

        public T Add<T>(T part)
            where T : IAsyncDisposable
        {
            lock (_lock)
            {
                _parts.Add(part);
            }

            return part;
        }

        public ValueTask EndAsync(IAsyncDisposable part)
        {
            lock (_lock)
            {
                if (!_parts.Remove(part))
                {
                    return ValueTask.CompletedTask;
                }
            }

            return part.DisposeAsync();
        }

        public async ValueTask DisposeAsync()
        {
            List<IAsyncDisposable> parts;
            lock (_lock)
            {
                (parts, _parts) = (_parts, []);
            }

            foreach (var part in parts)
            {
                await part.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
