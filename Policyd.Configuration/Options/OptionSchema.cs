using System.Collections.Concurrent;
using System.Reflection;

namespace Policyd.Configuration.Options;

/// <summary>One key that a type of options has.</summary>
/// <param name="Name">The key as the file has it.</param>
/// <param name="TypeName">Its type in words: a number, text, on or off, a duration, …</param>
/// <param name="Default">The default as text; null when there is none.</param>
/// <param name="Required">Whether it must be given.</param>
/// <param name="Description">What it means; empty when the author did not say.</param>
/// <param name="Type">The type of its value.</param>
public sealed record OptionDescription(string Name, string TypeName, string? Default, bool Required, string Description, Type Type)
{
    /// <summary>The declaration that the value is secret, or holds a secret; null when it may be shown.</summary>
    public SecretOptionAttribute? Secret { get; init; }

    /// <summary>The value as it may be shown.</summary>
    /// <param name="value">The value in the form that a file has.</param>
    public string Shown(string value) => Secret is null ? SecretText.Hide(value) : Secret.Hide(value);

    /// <summary>The options inside, when the value is an object (or objects in a list) of options; else null.</summary>
    public OptionSchema? Nested => OptionConverters.For(Type)?.NestedType is { } inner ? OptionSchema.Of(inner) : null;
}

/// <summary>The options of a type: what <c>policyd dump</c> and the pages about the modules are made from.</summary>
public sealed class OptionSchema
{
    private static readonly ConcurrentDictionary<Type, OptionSchema> s_known = new();
    private readonly OptionMap _map;

    private OptionSchema(Type type)
    {
        Type = type;
        _map = OptionMap.Of(type);
        var defaults = Defaults(type);
        Options = [
            .. _map.Properties.SelectMany(property => property.Keys.Select((key, index) => Describe(property, key, index == 0, defaults)))
        ];
    }

    /// <summary>The type.</summary>
    public Type Type { get; }

    /// <summary>Its keys, base types first, in the order of declaration.</summary>
    public IReadOnlyList<OptionDescription> Options { get; }

    /// <summary>The schema of a type; made once.</summary>
    /// <param name="type">A class whose public settable properties are options.</param>
    public static OptionSchema Of(Type type) => s_known.GetOrAdd(type, static type => new OptionSchema(type));

    /// <summary>
    /// The effective value of a key as text, a secret unmasked (see <see cref="OptionDescription.Shown"/>); null when there is none.
    /// </summary>
    /// <param name="target">The object that was bound.</param>
    /// <param name="option">The key.</param>
    public string? ValueOf(object target, string option)
    {
        foreach (var property in _map.Properties)
        {
            foreach (var key in property.Keys)
            {
                if (key.Name == option)
                {
                    return Format(property, key, target);
                }
            }
        }

        return null;
    }

    /// <summary>The option that a file calls so, by its key or by another name that it accepts; null when there is none.</summary>
    /// <param name="key">The key of the file.</param>
    public OptionDescription? Find(string key)
    {
        var name = _map.Properties.FirstOrDefault(property => property.Aliases.Contains(key))?.Keys[0].Name ?? key;
        return Options.FirstOrDefault(option => option.Name == name);
    }

    private static OptionDescription Describe(OptionProperty property, OptionKey key, bool isFirst, object? defaults)
    {
        var required = isFirst && property.IsRequired;
        return new OptionDescription(
            key.Name,
            OptionConverters.For(key.Type)?.TypeName ?? key.Type.Name,
            required || defaults is null ? null : Format(property, key, defaults),
            required,
            key.Description ?? property.Description,
            key.Type)
        {
            Secret = property.Secret,
        };
    }

    private static string? Format(OptionProperty property, OptionKey key, object target)
    {
        var value = property.Get(target);
        if (value is not null && property.MultiKey is { } multiKey)
        {
            value = multiKey.ValueOf(value, key.Name);
        }

        return value is null ? null : OptionConverters.For(key.Type)?.Format(value);
    }

    // A type whose constructor needs something, or fails, has options all the same; their defaults are not known then.
    private static object? Defaults(Type type)
    {
        if (type.IsAbstract || type.GetConstructor(Type.EmptyTypes) is null)
        {
            return null;
        }

        try
        {
            return Activator.CreateInstance(type);
        }
        catch (Exception e) when (e is TargetInvocationException or TypeInitializationException)
        {
            return null;
        }
    }
}
