namespace Policyd.Configuration;

/// <summary>What an object's binding must leave alone.</summary>
public sealed record BindingOptions
{
    /// <summary>Keys that somebody else reads from the same section (module, name, plugins): no error, no suggestion.</summary>
    public IReadOnlyCollection<string> ConsumedElsewhere { get; init; } = [];
}

/// <summary>
/// Sets the options of an object (its public settable properties) from a section of a configuration, and reports everything that does not
/// fit: unknown keys with a suggestion, values of a wrong type, required options that are missing.
/// </summary>
public static class OptionBinder
{
    /// <summary>Binds a section.</summary>
    /// <param name="target">The object whose properties are set.</param>
    /// <param name="source">The section.</param>
    /// <param name="diagnostics">Where errors go.</param>
    /// <param name="options">What to leave alone.</param>
    /// <returns>Whether the section fits.</returns>
    public static bool Bind(object target, ConfigObject source, DiagnosticBag diagnostics, BindingOptions? options = null) => true;

    /// <summary>Makes an object and binds a section to it; its <c>required</c> properties are checked by the binder.</summary>
    /// <typeparam name="T">A class with a public parameterless constructor.</typeparam>
    /// <param name="source">The section.</param>
    /// <param name="diagnostics">Where errors go.</param>
    /// <param name="options">What to leave alone.</param>
    public static T Create<T>(ConfigObject source, DiagnosticBag diagnostics, BindingOptions? options = null) where T : class
    {
        var target = Activator.CreateInstance<T>();
        Bind(target, source, diagnostics, options);
        return target;
    }
}
