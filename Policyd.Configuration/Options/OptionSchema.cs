namespace Policyd.Configuration;

/// <summary>One key that a type of options has.</summary>
/// <param name="Name">The key as the file has it.</param>
/// <param name="TypeName">Its type in words: number, text, on/off, duration, …</param>
/// <param name="Default">The default as text; null when there is none.</param>
/// <param name="Required">Whether it must be given.</param>
/// <param name="Description">What it means; empty when the author did not say.</param>
/// <param name="Type">The type of its value.</param>
public sealed record OptionDescription(string Name, string TypeName, string? Default, bool Required, string Description, Type Type);

/// <summary>The options of a type: what <c>policyd dump</c> and the pages about the modules are made from.</summary>
public sealed class OptionSchema
{
    private OptionSchema(Type type, IReadOnlyList<OptionDescription> options)
    {
        Type = type;
        Options = options;
    }

    /// <summary>The type.</summary>
    public Type Type { get; }

    /// <summary>Its keys, base types first, in the order of declaration.</summary>
    public IReadOnlyList<OptionDescription> Options { get; }

    /// <summary>The schema of a type; made once.</summary>
    /// <param name="type">A class whose public settable properties are options.</param>
    public static OptionSchema Of(Type type) => new(type, []);

    /// <summary>The effective value of a key as text, secrets not hidden; null when there is none.</summary>
    /// <param name="target">The object that was bound.</param>
    /// <param name="option">The key.</param>
    public string? ValueOf(object target, string option) => Type.IsInstanceOfType(target) ? option : null;
}
