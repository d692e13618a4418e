namespace Policyd.Configuration;

/// <summary>Gives an option another name than its property's in snake_case, and further names by which a file may call it.</summary>
/// <param name="name">The name.</param>
/// <param name="aliases">Further names; the schema does not show them.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionNameAttribute(string name, params string[] aliases) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>Further names.</summary>
    public IReadOnlyList<string> Aliases { get; } = aliases;
}

/// <summary>A public settable property that is no option.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NotAnOptionAttribute : Attribute;
