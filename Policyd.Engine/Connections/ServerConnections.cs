using Policyd.Backends.Connections;

namespace Policyd.Engine.Connections;

/// <summary>The connections of a configuration, each made when somebody first asks for it and shared by all who do.</summary>
public sealed class ServerConnections : IAsyncDisposable
{
    private readonly Dictionary<string, Lazy<IAsyncDisposable>> _byName = new(StringComparer.Ordinal);

    private readonly List<IAsyncDisposable> _owned = [];

    /// <summary>Those with <c>module = Sql</c>.</summary>
    public SqlConnections Sql { get; } = new();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _byName.Values.Where(connection => connection.IsValueCreated))
        {
            await connection.Value.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var other in _owned)
        {
            await other.DisposeAsync().ConfigureAwait(false);
        }

        await Sql.DisposeAsync().ConfigureAwait(false);
    }

    internal void Add(string name, IConnectionOptions options, ConnectionEnvironment environment) =>
        _byName[name] = new Lazy<IAsyncDisposable>(() => options.Create(name, environment));

    /// <summary>Has something that no section names end with the connections.</summary>
    internal T Own<T>(T other)
        where T : IAsyncDisposable
    {
        _owned.Add(other);
        return other;
    }

    /// <summary>The connection of a name; null when there is none or it is of another kind.</summary>
    internal T? Find<T>(string name)
        where T : class => _byName.TryGetValue(name, out var connection) ? connection.Value as T : null;
}
