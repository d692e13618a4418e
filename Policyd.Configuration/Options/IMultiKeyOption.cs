namespace Policyd.Configuration.Options;

/// <summary>
/// A type of option that is read from more than one key of its section, as a user option is from <c>X</c> and <c>uc_X</c>.
/// Binder, schema and dump then know all its keys.
/// </summary>
/// <typeparam name="TSelf">The type itself.</typeparam>
public interface IMultiKeyOption<TSelf> where TSelf : IMultiKeyOption<TSelf>
{
    /// <summary>The keys; the first is the option's own and the one that <c>required</c> asks for.</summary>
    /// <param name="name">The property's name in snake_case.</param>
    static abstract IReadOnlyList<OptionKey> KeysOf(string name);

    /// <summary>Makes the option; called when at least one of its keys is there and not null.</summary>
    /// <param name="reader">Reads the keys, and reports those of a wrong type.</param>
    /// <param name="current">The property's value before, that is its default.</param>
    static abstract TSelf Bind(OptionReader reader, TSelf? current);

    /// <summary>The effective value of one of the keys, for the schema's default and for a dump; null when there is none.</summary>
    /// <param name="key">One of the keys.</param>
    object? ValueOf(string key);
}

/// <summary>One key of a multi-key option.</summary>
/// <param name="Name">The key as the file has it.</param>
/// <param name="Type">The type of its value.</param>
/// <param name="Description">What it means; null: what the property's own description says.</param>
public sealed record OptionKey(string Name, Type Type, string? Description = null);
