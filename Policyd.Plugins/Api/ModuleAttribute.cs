namespace Policyd.Plugins.Api;

/// <summary>The name by which a configuration calls a plugin's class; without it the class's own name less <c>Plugin</c>.</summary>
/// <param name="name">The name; letter case does not matter in a configuration.</param>
/// <param name="aliases">Further names.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ModuleAttribute(string name, params string[] aliases) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>Further names.</summary>
    public IReadOnlyList<string> Aliases { get; } = aliases;
}
