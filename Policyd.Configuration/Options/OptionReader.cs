using System.Diagnostics.CodeAnalysis;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Options;

/// <summary>Gives an <see cref="IMultiKeyOption{TSelf}"/> the values of its keys.</summary>
public sealed class OptionReader
{
    private readonly string _separators;

    internal OptionReader(string name, ConfigObject source, DiagnosticBag diagnostics, string separators)
    {
        Name = name;
        Source = source;
        Diagnostics = diagnostics;
        _separators = separators;
    }

    /// <summary>The option's own name, in snake_case.</summary>
    public string Name { get; }

    /// <summary>The section that is bound.</summary>
    public ConfigObject Source { get; }

    /// <summary>Where errors go.</summary>
    public DiagnosticBag Diagnostics { get; }

    internal bool Failed { get; private set; }

    /// <summary>Reads a key as a type of option; a value of a wrong type is reported.</summary>
    /// <typeparam name="T">Any type that the binder knows.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>False when the key is absent, null, or of a wrong type.</returns>
    /// <exception cref="InvalidOperationException">The type is none that an option can have.</exception>
    public bool TryRead<T>(string key, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (Source[key] is not { } node || node is ConfigScalar { IsNull: true })
        {
            return false;
        }

        var converter = OptionConverters.For(typeof(T))
            ?? throw new InvalidOperationException($"{typeof(T).Name} is not a type that an option can have");
        if (!converter.TryConvert(node, new OptionConversion(key, Diagnostics, _separators), out var converted))
        {
            Failed = true;
            return false;
        }

        value = (T)converted!;
        return true;
    }
}
