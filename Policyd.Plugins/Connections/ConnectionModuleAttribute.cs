namespace Policyd.Plugins.Connections;

/// <summary>Makes a class with <see cref="IConnectionModule"/> a module that sections of <c>connections { }</c> may name.</summary>
/// <param name="name">The name in <c>module = NAME</c>; letter case does not matter.</param>
/// <param name="offers">What its connections implement of what the server knows, see <see cref="Offers"/>.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ConnectionModuleAttribute(string name, params Type[] offers) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>
    /// What its connections implement of what the server knows. With <see cref="Sessions.ISessionStore"/> or
    /// <see cref="Caches.IValueCache"/> the module may keep sessions: <c>session_cache { module = NAME }</c>.
    /// </summary>
    public IReadOnlyList<Type> Offers { get; } = offers;
}
