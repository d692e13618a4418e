namespace Policyd.Configuration.Options;

/// <summary>
/// Gives an option (or the value of an enum) another name than the one in C# in snake_case, and further names by which a file may call it.
/// </summary>
/// <param name="name">The name.</param>
/// <param name="aliases">Further names; the schema does not show them.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class OptionNameAttribute(string name, params string[] aliases) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>Further names.</summary>
    public IReadOnlyList<string> Aliases { get; } = aliases;
}

/// <summary>A public settable property that is no option. On a property of an interface it counts for whoever implements it.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NotAnOptionAttribute : Attribute;

/// <summary>
/// How a single text is read as a list. Without this attribute commas separate the elements, and white space around them is dropped.
/// </summary>
/// <param name="separators">The characters that separate elements; none: the text is one element, as for a regular expression.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionListAttribute(string separators) : Attribute
{
    /// <summary>The characters that separate elements.</summary>
    public string Separators { get; } = separators;
}
