using System.Diagnostics.CodeAnalysis;

namespace Policyd.Configuration;

/// <summary>Gives an <see cref="IMultiKeyOption{TSelf}"/> the values of its keys.</summary>
public sealed class OptionReader
{
    internal OptionReader(string name, ConfigObject source, DiagnosticBag diagnostics)
    {
        Name = name;
        Source = source;
        Diagnostics = diagnostics;
    }

    /// <summary>The option's own name, in snake_case.</summary>
    public string Name { get; }

    /// <summary>The section that is bound.</summary>
    public ConfigObject Source { get; }

    /// <summary>Where errors go.</summary>
    public DiagnosticBag Diagnostics { get; }

    /// <summary>Reads a key as a type of option; a value of a wrong type is reported.</summary>
    /// <typeparam name="T">Any type that the binder knows.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>False when the key is absent, null, or of a wrong type.</returns>
    public bool TryRead<T>(string key, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        return Source.Has(key) && value is not null;
    }
}
